/**
 * Something countable, as places or bytes, that tenants share: each may have at most so much, and all
 * together. What is held is what `take` allowed and `give` did not give back.
 */
export class Shares {
  readonly #each: number;
  readonly #all: number;
  readonly #held = new Map<string, number>();
  #sum = 0;

  constructor({ each, all }: { each: number; all: number }) {
    this.#each = each;
    this.#all = all;
  }

  /** False when there is no room; then nothing was taken. */
  take(tenant: string, amount = 1): boolean {
    const held = this.#held.get(tenant) ?? 0;
    if (held + amount > this.#each || this.#sum + amount > this.#all) return false;
    this.#held.set(tenant, held + amount);
    this.#sum += amount;
    return true;
  }

  give(tenant: string, amount = 1): void {
    const left = (this.#held.get(tenant) ?? 0) - amount;
    this.#sum -= amount;
    if (left > 0) this.#held.set(tenant, left);
    else this.#held.delete(tenant);
  }
}
