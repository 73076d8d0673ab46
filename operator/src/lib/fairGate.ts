/**
 * How much work runs at once: of each tenant, and in all. What has to wait waits in its tenant's queue, and
 * tenants take turns: whoever asks for much delays itself. A queue has a bound, beyond which work is refused.
 */
export class TooBusyError extends Error {
  override readonly name = "TooBusyError";
}

/** Runs work of a tenant when it is its turn. */
export interface Gate {
  run<T>(tenant: string, work: () => Promise<T>): Promise<T>;
}

interface GateLimits {
  each: number;
  all: number;
  /** Of each tenant. */
  waiting: number;
}

export class FairGate implements Gate {
  readonly #limits: GateLimits;
  readonly #running = new Map<string, number>();
  #sum = 0;
  /** In the order of their turns; only tenants that have something waiting. */
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  async run<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    if (!this.#queues.has(tenant) && this.#hasRoom(tenant)) this.#begin(tenant);
    else await this.#turn(tenant);
    try {
      return await work();
    } finally {
      this.#end(tenant);
    }
  }

  #turn(tenant: string): Promise<void> {
    const queue = this.#queues.get(tenant) ?? [];
    if (queue.length >= this.#limits.waiting)
      throw new TooBusyError(`More than ${this.#limits.waiting} requests of ${tenant} wait already`);
    return new Promise((resolve) => {
      queue.push(resolve);
      this.#queues.set(tenant, queue);
    });
  }

  #hasRoom(tenant: string): boolean {
    const { each, all } = this.#limits;
    return this.#sum < all && (this.#running.get(tenant) ?? 0) < each;
  }

  #begin(tenant: string): void {
    this.#running.set(tenant, (this.#running.get(tenant) ?? 0) + 1);
    this.#sum++;
  }

  #end(tenant: string): void {
    const left = (this.#running.get(tenant) ?? 1) - 1;
    if (left > 0) this.#running.set(tenant, left);
    else this.#running.delete(tenant);
    this.#sum--;
    this.#next();
  }

  /** The first tenant in turn that may run more; its next turn comes after all others'. */
  #next(): void {
    for (const [tenant, queue] of this.#queues) {
      if (!this.#hasRoom(tenant)) continue;
      this.#queues.delete(tenant);
      const begin = queue.shift();
      if (queue.length > 0) this.#queues.set(tenant, queue);
      if (!begin) continue;
      this.#begin(tenant);
      begin();
      return;
    }
  }
}
