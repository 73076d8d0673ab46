/**
 * What the code of an attempt waits for, all at once, and the call that waits for it (POST attempt/wait). A
 * result may come before anybody waits for it: nothing is asked for then.
 *
 *   open waits ─► one call with all of them, which is held ─► results of some, with the slot ─► handed over
 *
 * - There is one call at a time. A wait that is added ends it, and the next one has it too.
 * - Results are handed over only with the slot that they came with. The code then has a moment; if waits are
 *   still open after it, the run waits again, with what is left. Code that goes on beside an open wait runs
 *   without a slot: the same as code beside a single wait.
 * - A call that fails is sent again. When the API says that the attempt does not go on, the waits stay open
 *   until the process is stopped: no code goes on without its slot.
 */
import type { WaitAnswer, WaitBody } from "@fairlead/protocol/runnerApi";
import type { BatchResult, TaskResult, Waiting } from "../host/waits.ts";
import { Refused } from "../http.ts";

interface WaitApi {
  /** Held by the API for some seconds; `signal` ends it. */
  wait(body: WaitBody, signal: AbortSignal): Promise<WaitAnswer>;
}

/** As the slot "runtime" asks for it. A time has its id, too, so that one list says all. */
export function waitingBy(api: WaitApi, warn: (message: string) => void): Waiting {
  const waits = new Waits(api, warn);
  return {
    task: (id) => waits.for(id) as Promise<TaskResult>,
    batch: (id) => waits.for(id) as Promise<BatchResult>,
    waitpoint: (id) => waits.for(id) as ReturnType<Waiting["waitpoint"]>,
  };
}

interface Open {
  resolve(result: unknown): void;
  reject(error: Error): void;
  promise: Promise<unknown>;
}

/** The code's moment after results were handed over, and for waits to be added together. */
const turnMs = 20;
const firstRetryMs = 100;
const longestRetryMs = 5_000;

export class Waits {
  readonly #api: WaitApi;
  readonly #warn: (message: string) => void;
  readonly #open = new Map<string, Open>();
  #slot: number | undefined;
  #call: AbortController | undefined;
  #isAsking = false;

  constructor(api: WaitApi, warn: (message: string) => void) {
    this.#api = api;
    this.#warn = warn;
  }

  /** The result of what has this id; two waits for one thing share it. */
  for(id: string): Promise<unknown> {
    const known = this.#open.get(id);
    if (known) return known.promise;
    const open: Open = Promise.withResolvers<unknown>();
    this.#open.set(id, open);
    if (this.#isAsking) this.#renew();
    else void this.#ask();
    return open.promise;
  }

  /** Waits that are added in the same moment make one new call. */
  #renew(): void {
    const call = this.#call;
    if (!call || call.signal.aborted) return;
    setTimeout(() => call.abort(), turnMs).unref();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    let retryMs = firstRetryMs;
    while (this.#open.size > 0) {
      const call = new AbortController();
      this.#call = call;
      const on = [...this.#open.keys()];
      try {
        const answer = await this.#api.wait({ on, slot: this.#slot }, call.signal);
        retryMs = firstRetryMs;
        await this.#handOver(answer);
      } catch (error) {
        if (call.signal.aborted) continue;
        if (error instanceof Refused && !isOver(error)) {
          this.#rejectAll(error);
          continue;
        }
        if (error instanceof Refused) {
          this.#warn(`the run does not go on: ${error.message}`);
          return;
        }
        this.#warn(`the API does not answer; the wait goes on: ${(error as Error).message}`);
        await pause(retryMs);
        retryMs = Math.min(retryMs * 2, longestRetryMs);
      }
    }
    this.#isAsking = false;
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }

  async #handOver({ slot, results = {} }: WaitAnswer): Promise<void> {
    if (slot !== undefined) this.#slot = slot;
    const ids = Object.keys(results);
    for (const id of ids) {
      this.#open.get(id)?.resolve(results[id]);
      this.#open.delete(id);
    }
    if (ids.length > 0 && this.#open.size > 0) await pause(turnMs);
  }
}

/** Stopped, deleted, or another attempt is under way: the process is ended from outside. */
const isOver = ({ status }: Refused): boolean => status === 404 || status === 409;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
