/**
 * Whether another attempt follows a failure, and when: what catchError (in version 3 handleError) says, else
 * what the error is. Pure but for the random number of a delay.
 */
import { maxRetryDelayMs } from "@fairlead/protocol/report";
import { Failure } from "./failure.ts";

/** Trigger.dev's formula, and names. */
export interface RetryOptions {
  maxAttempts?: number;
  factor?: number;
  minTimeoutInMs?: number;
  maxTimeoutInMs?: number;
  randomize?: boolean;
}

const defaults = { maxAttempts: 3, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 60_000, randomize: true };

/** Milliseconds until the attempt after the `failures`-th failure; undefined when there is none. */
export function nextDelay(options: RetryOptions, failures: number): number | undefined {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { maxAttempts, factor, minTimeoutInMs, maxTimeoutInMs, randomize } = { ...defaults, ...given };
  if (failures >= maxAttempts) return undefined;
  const random = randomize ? 1 + Math.random() : 1;
  return Math.round(Math.min(maxTimeoutInMs, random * minTimeoutInMs * factor ** (failures - 1)));
}

/** What catchError may return. */
interface Answer {
  skipRetrying?: boolean;
  retryAt?: Date;
  retryDelayInMs?: number;
  retry?: RetryOptions;
  /** Takes the place of what was thrown. */
  error?: unknown;
}

/**
 * The failure as the answer makes it. An answer that names neither a time nor a policy means that no attempt
 * follows, as in Trigger.dev.
 */
export function decided(failure: Failure, answer: unknown, failures: number, now: number): Failure {
  const { skipRetrying, retryAt, retryDelayInMs, retry, error } = answer as Answer;
  let delayMs: number | undefined;
  if (skipRetrying) delayMs = undefined;
  else if (retryAt !== undefined) delayMs = new Date(retryAt).getTime() - now;
  else if (typeof retryDelayInMs === "number") delayMs = retryDelayInMs;
  else if (retry) delayMs = nextDelay(retry, failures);
  const isTime = delayMs !== undefined && !Number.isNaN(delayMs);
  const thrown = error === undefined || error === null ? failure.thrown : { value: error };
  return new Failure(failure.code, failure.message, {
    retryable: isTime,
    retryDelayMs: isTime ? Math.round(Math.min(maxRetryDelayMs, Math.max(0, delayMs ?? 0))) : undefined,
    thrown,
  });
}
