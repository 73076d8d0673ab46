/** Waiting for a condition, never for an amount of time. */
import { setTimeout as sleep } from "node:timers/promises";

interface WaitOptions {
  /** 20 s unless given. */
  timeoutMs?: number;
  intervalMs?: number;
  /** What was seen last, for the message; called when time is up. */
  describe?: () => string | Promise<string>;
  /** A reason to stop waiting at once, for example that the process has ended. */
  failed?: () => string | undefined;
}

/** The condition did not come true; the message says what was seen instead. */
export class WaitError extends Error {
  override readonly name = "WaitError";
}

/** Polls until `condition` returns something truthy, and returns that; an exception counts as "not yet". */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 20_000;
  const deadline = performance.now() + timeoutMs;
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
      throw new WaitError(`${what}: not within ${timeoutMs / 1000} s${seen ? `\n${seen}` : ""}`);
    }
    await sleep(options.intervalMs ?? 100);
  }
}
