/**
 * So much a second of each tenant, and `burst` at once: whoever takes more waits before it goes on. Nothing
 * is refused. Only the tenants that took something last are remembered: others may burst again.
 */
import { LRUCache } from "lru-cache";
import { pause } from "./time.ts";

const remembered = 10_000;

export class Pace {
  readonly #perMs: number;
  readonly #burstMs: number;
  readonly #clock: () => number;
  /** When what was taken so far would have been had at the rate. */
  readonly #paidAt = new LRUCache<string, number>({ max: remembered });

  constructor(
    { perSecond, burst }: { perSecond: number; burst: number },
    clock: () => number = () => performance.now(),
  ) {
    this.#perMs = perSecond / 1000;
    this.#burstMs = burst / this.#perMs;
    this.#clock = clock;
  }

  /** How many milliseconds to wait before going on. */
  take(tenant: string, amount: number): number {
    const now = this.#clock();
    const paidAt = Math.max(this.#paidAt.get(tenant) ?? 0, now - this.#burstMs) + amount / this.#perMs;
    this.#paidAt.set(tenant, paidAt);
    return Math.max(0, paidAt - now);
  }

  async keep(tenant: string, amount: number): Promise<void> {
    const ms = this.take(tenant, amount);
    if (ms >= 1) await pause(ms);
  }
}
