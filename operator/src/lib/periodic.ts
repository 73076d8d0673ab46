/**
 * Work that is repeated until a signal is aborted.
 *
 * - A run never overlaps the one before: the pause begins when the work has ended.
 * - A run that fails is logged, and the next one comes as if it had not.
 * - The first pause is shortened by up to half of it, at random: processes that start together spread their
 *   work.
 */
import type { Logger } from "pino";
import { pause as realPause } from "./time.ts";

interface PeriodicOptions {
  signal: AbortSignal;
  log: Pick<Logger, "warn">;
  /** What is logged when the work fails: a sentence. */
  failure: string;
  /** Before the first run; the period unless set, 0: none. */
  firstMs?: number;
  /** In [0, 1). */
  random?: () => number;
  /** Resolves after so many milliseconds, or when the signal is aborted. */
  pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Resolves when the signal is aborted and the work, if it is going on, has ended. */
export async function every(
  ms: number,
  { signal, log, failure, firstMs = ms, random = Math.random, pause = realPause }: PeriodicOptions,
  work: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  let wait = firstMs * (1 - random() / 2);
  while (!signal.aborted) {
    await pause(wait, signal);
    wait = ms;
    if (signal.aborted) return;
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, failure);
    }
  }
}
