/** The slot "wait-until": promises that the attempt waits for after its code has ended, within a bound. */

const limitMs = 60_000;

interface Registered {
  /** Asked at the end: is there anything to wait for? */
  requiresResolving(): boolean;
  promise: Promise<unknown> | ((timeoutMs: number) => Promise<unknown>);
}

export class WaitUntil {
  readonly #all = new Set<Registered>();

  register(one: Registered): void {
    this.#all.add(one);
  }

  requiresResolving(): boolean {
    return [...this.#all].some((one) => one.requiresResolving?.() ?? true);
  }

  /** Never rejects: the attempt's result is known. */
  async blockUntilSettled(): Promise<void> {
    const open = [...this.#all].filter((one) => one.requiresResolving?.() ?? true);
    this.#all.clear();
    if (open.length === 0) return;
    const all = Promise.allSettled(
      open.map(({ promise }) => (typeof promise === "function" ? promise(limitMs) : promise)),
    );
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    await Promise.race([all, limit]);
    clearTimeout(timer);
  }
}
