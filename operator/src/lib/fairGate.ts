/**
 * How much work runs at once: of each tenant, and in all. What has to wait waits in its tenant's queue, and
 * tenants take turns: whoever asks for much delays itself. A queue has a bound, beyond which work is refused.
 *
 * What runs delays what begins beside it. So a tenant may use all that it could use alone only while it is
 * alone: beside others that asked for something in the last second it has an equal part of `shared`.
 */
export class TooBusyError extends Error {
  override readonly name = "TooBusyError";
}

/** Runs work of a tenant when it is its turn. */
export interface Gate {
  run<T>(tenant: string, work: () => Promise<T>): Promise<T>;
}

interface GateLimits {
  /** Of a tenant that is alone. */
  each: number;
  /** Of the tenants of the last second together, at least `leastShare` each. Default: each has `each`. */
  shared?: number;
  all: number;
  /** Of each tenant. */
  waiting: number;
}

const leastShare = 2;
const activeMs = 1_000;

export class FairGate implements Gate {
  readonly #limits: GateLimits;
  readonly #clock: () => number;
  /** When tenants asked last, the latest last. */
  readonly #active = new Map<string, number>();
  readonly #running = new Map<string, number>();
  #sum = 0;
  /** In the order of their turns; only tenants that have something waiting. */
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(limits: GateLimits, clock: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#clock = clock;
  }

  async run<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    this.#active.delete(tenant);
    this.#active.set(tenant, this.#clock());
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
    return this.#sum < this.#limits.all && (this.#running.get(tenant) ?? 0) < this.#share();
  }

  #share(): number {
    const { each, shared } = this.#limits;
    if (shared === undefined) return each;
    const since = this.#clock() - activeMs;
    for (const [tenant, at] of this.#active) {
      if (at > since) break;
      this.#active.delete(tenant);
    }
    if (this.#active.size < 2) return each;
    return Math.min(each, Math.max(leastShare, Math.floor(shared / this.#active.size)));
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

  /** As many as have room now, in turn. */
  #next(): void {
    while (this.#beginOne());
  }

  /** The first tenant in turn that may run more; its next turn comes after all others'. */
  #beginOne(): boolean {
    for (const [tenant, queue] of this.#queues) {
      if (!this.#hasRoom(tenant)) continue;
      this.#queues.delete(tenant);
      const begin = queue.shift();
      if (queue.length > 0) this.#queues.set(tenant, queue);
      if (!begin) continue;
      this.#begin(tenant);
      begin();
      return true;
    }
    return false;
  }
}
