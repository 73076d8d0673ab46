/** Waiting for a condition, never for an amount of time. */
import { setTimeout as sleep } from "node:timers/promises";

export interface WaitOptions {
  timeoutMs: number;
  intervalMs?: number;
  /** Called when time is up: what was seen last, for the message. */
  describe?: () => string | Promise<string>;
  /** A reason to stop waiting at once, e.g. that the process which is waited for has ended. */
  failed?: () => string | undefined;
}

/** The condition did not come true; the message says what was seen instead. */
export class WaitError extends Error {
  override readonly name = "WaitError";
}

/** Polls until `condition` gives something truthy (an exception counts as not yet), and gives that back. */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const result = await condition();
      if (result) return result;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const failure = options.failed?.();
    if (failure) throw new WaitError(`${what}: ${failure}`);
    if (performance.now() > deadline) {
      const seen = (await options.describe?.()) ?? (lastError instanceof Error ? lastError.message : "");
      throw new WaitError(`${what}: not after ${options.timeoutMs / 1000} s${seen ? `\n${seen}` : ""}`);
    }
    await sleep(options.intervalMs ?? 100);
  }
}
