/**
 * Keys to be handled, each one at a time, several at once.
 *
 *   add ─► waiting ─► running ─► (idle)        added while running: waits again when the handler is done
 *            ▲           │ handler returned a time, or threw: after a backoff
 *   addAt ─► timer ◄─────┘
 *
 * - A key is never handled twice at once, and an add is never lost: after it, a handler begins that sees what
 *   was there when `add` was called.
 * - A key has at most one timer, the earliest one; a success forgets its failures.
 * - What a handler leaves to the slow workers waits apart: keys that hang there stop no others. A key that
 *   waits there is still handled by the fast ones when it is added.
 * - Memory is bounded by the number of keys.
 */
import { done, type Lane, type Requeue } from "./requeue.ts";
import { TimerHeap } from "./timerHeap.ts";

export interface WorkQueueOptions {
  concurrency: number;
  /** Slow workers, besides; 4 unless set. */
  slowConcurrency?: number;
  /** After the first failure; doubles, with jitter, up to maxDelayMs. */
  baseDelayMs: number;
  maxDelayMs: number;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** In [0, 1). */
  random?: () => number;
  /** A handler failed; its key comes again after `delayMs`. Must not throw. */
  onError: (key: string, error: unknown, failures: number, delayMs: number) => void;
}

type Handler = (key: string, lane: Lane) => Promise<Requeue>;

/** Wake-ups at least this often: setTimeout takes no more than 24.8 days, and a clock can be set. */
const longestSleepMs = 60_000;

export class WorkQueue {
  readonly #handler: Handler;
  readonly #options: WorkQueueOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  /** First in, first out, from #head on; #isWaiting has the same keys. */
  #waiting: string[] = [];
  #head = 0;
  readonly #isWaiting = new Set<string>();
  /** For the slow workers, in the order of their coming. */
  readonly #slow = new Set<string>();
  readonly #running = new Set<string>();
  #slowRunning = 0;
  /** Added while running. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new TimerHeap();
  #timeout: NodeJS.Timeout | undefined;
  #timeoutAt = Number.POSITIVE_INFINITY;
  #pump: NodeJS.Immediate | undefined;
  #active = false;
  #onIdle: (() => void) | undefined;
  #processed = 0;
  #retries = 0;

  constructor(handler: Handler, options: WorkQueueOptions) {
    this.#handler = handler;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
  }

  add(key: string): void {
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#isWaiting.has(key)) return;
    this.#isWaiting.add(key);
    this.#waiting.push(key);
    this.#wake();
  }

  /**
   * Adds the key at that time (milliseconds since the epoch), or earlier if it has an earlier time already.
   */
  addAt(key: string, at: number): void {
    if (!Number.isFinite(at)) throw new TypeError(`addAt(${key}): ${at} is not a time`);
    if (at <= this.#now()) {
      this.add(key);
      return;
    }
    this.#timers.set(key, at);
    this.#setTimeout();
  }

  /** Handles keys until the signal is aborted, then waits for the handlers that run. What was added stays. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#active) throw new Error("the work queue runs already");
    if (signal.aborted) return;
    this.#active = true;
    this.#setTimeout();
    this.#wake();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    this.#active = false;
    clearTimeout(this.#timeout);
    clearImmediate(this.#pump);
    this.#timeout = undefined;
    this.#timeoutAt = Number.POSITIVE_INFINITY;
    this.#pump = undefined;
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      this.#onIdle = undefined;
    }
  }

  /** Keys that wait for a handler, fast or slow. */
  get depth(): number {
    return this.#isWaiting.size + this.#slow.size;
  }

  /** Handlers that ended, well or not. */
  get processed(): number {
    return this.#processed;
  }

  /** Handlers that failed. */
  get retries(): number {
    return this.#retries;
  }

  /** Starts handlers in the next turn of the event loop, so that a long queue leaves room for I/O. */
  #wake(): void {
    if (!this.#active || this.#pump) return;
    this.#pump = setImmediate(() => {
      this.#pump = undefined;
      const { concurrency, slowConcurrency = 4 } = this.#options;
      while (this.#active && this.#running.size - this.#slowRunning < concurrency) {
        const key = this.#take();
        if (key === undefined) break;
        void this.#handle(key, "fast");
      }
      while (this.#active && this.#slowRunning < slowConcurrency) {
        const key = this.#takeSlow();
        if (key === undefined) break;
        void this.#handle(key, "slow");
      }
    });
  }

  #take(): string | undefined {
    const key = this.#waiting[this.#head];
    if (key === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    this.#isWaiting.delete(key);
    return key;
  }

  /** The first that no fast worker has, or will have now. */
  #takeSlow(): string | undefined {
    for (const key of this.#slow) {
      if (this.#running.has(key) || this.#isWaiting.has(key)) continue;
      this.#slow.delete(key);
      return key;
    }
    return undefined;
  }

  async #handle(key: string, lane: Lane): Promise<void> {
    this.#running.add(key);
    if (lane === "slow") this.#slowRunning += 1;
    try {
      const { at, slow } = await this.#handler(key, lane);
      if (at !== done.at) this.addAt(key, at);
      if (slow) this.#slow.add(key);
      // What it left to the slow workers is still to be done, and may fail again.
      else this.#failures.delete(key);
    } catch (error) {
      this.#onFailure(key, error);
    }
    this.#processed += 1;
    this.#running.delete(key);
    if (lane === "slow") this.#slowRunning -= 1;
    if (this.#again.delete(key)) this.add(key);
    if (this.#running.size === 0) this.#onIdle?.();
    this.#wake();
  }

  #onFailure(key: string, error: unknown): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#retries += 1;
    const { baseDelayMs, maxDelayMs, onError } = this.#options;
    const full = Math.min(maxDelayMs, baseDelayMs * 2 ** Math.min(30, failures - 1));
    const delayMs = Math.round(full * (0.5 + this.#random() / 2));
    this.#timers.set(key, this.#now() + delayMs);
    this.#setTimeout();
    onError(key, error, failures, delayMs);
  }

  /** One timeout for all timers, for the earliest of them. */
  #setTimeout(): void {
    const at = this.#timers.nextAt;
    if (!this.#active || at === undefined || at >= this.#timeoutAt) return;
    clearTimeout(this.#timeout);
    this.#timeoutAt = at;
    const delay = Math.min(longestSleepMs, Math.max(0, at - this.#now()));
    this.#timeout = setTimeout(() => this.#onTimeout(), delay);
  }

  #onTimeout(): void {
    this.#timeoutAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    for (let key = this.#timers.takeDue(now); key !== undefined; key = this.#timers.takeDue(now))
      this.add(key);
    this.#setTimeout();
  }
}
