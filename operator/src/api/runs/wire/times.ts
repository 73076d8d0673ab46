/**
 * Delays, lifetimes and durations of a trigger. What is not of a documented form is refused with its field:
 * nothing starts at once that its author delayed.
 */
import { delayRule, parseDelay, parseDuration } from "@fairlead/protocol/durations";
import { yearSeconds } from "@fairlead/protocol/limits";
import { Problem } from "../../http/problem.ts";

/** The end of the year 9999: the last time that RFC 3339 can express. */
const latestMs = Date.UTC(9999, 11, 31);
/** The client's word for "none". */
export const noMaxDuration = 2_147_483_647;

const shown = (value: string | number): string =>
  typeof value === "number" ? String(value) : JSON.stringify(value.slice(0, 80));

/** In milliseconds since the epoch. A date in the past is one: the run starts at once. */
export function delayOf(
  delay: string | number,
  nowMs: number,
  { field = "options.delay", status = 422 }: { field?: string; status?: number } = {},
): number {
  if (typeof delay === "number") {
    throw new Problem(
      status,
      `${field}: ${delay} has no unit; give a text such as "${Math.abs(delay)}s", or a date`,
    );
  }
  const until = parseDelay(delay, nowMs);
  if (until === undefined || until > latestMs)
    throw new Problem(status, `${field}: ${shown(delay)} is not ${delayRule}`);
  return until;
}

/** For a spec; undefined: at once. */
export function startOf(delay: string | number, nowMs: number): string | undefined {
  const untilMs = delayOf(delay, nowMs);
  return untilMs > nowMs ? new Date(untilMs).toISOString() : undefined;
}

/** A time to which a delayed run is moved. Anything else is a 400, as upstream. */
export function rescheduledTo(delay: string, nowMs: number): string {
  const until = delayOf(delay, nowMs, { field: "delay", status: 400 });
  if (until <= nowMs) throw new Problem(400, `delay: ${shown(delay)} has passed; give a time in the future`);
  return new Date(until).toISOString();
}

export function ttlOf(ttl: string | number): number {
  const parsed = typeof ttl === "number" ? ttl : parseDuration(ttl);
  if (parsed !== undefined && Number.isInteger(parsed) && parsed >= 0 && parsed <= yearSeconds) return parsed;
  throw new Problem(
    422,
    `options.ttl: ${shown(ttl)} is not a duration of at most a year (for example 10m), nor a whole number of seconds; a date is not allowed`,
  );
}

/** How long an idempotency key counts; undefined: as long as by default. */
export function keyTtlOf(ttl: string | undefined, field = "options.idempotencyKeyTTL"): number | undefined {
  if (ttl === undefined) return undefined;
  const parsed = parseDuration(ttl);
  if (parsed !== undefined && parsed >= 1 && parsed <= yearSeconds) return parsed;
  throw new Problem(
    422,
    `${field}: ${shown(ttl)} is not a duration from a second to a year (for example 60s or 24h)`,
  );
}

export function debounceSecondsOf(field: "delay" | "maxDelay", text: string): number {
  const parsed = parseDuration(text);
  if (parsed !== undefined && parsed >= 1 && parsed <= yearSeconds) return parsed;
  throw new Problem(
    422,
    `options.debounce.${field}: ${shown(text)} is not a valid duration of at least a second (for example 30s); a date is not allowed`,
  );
}

/** The bounds are the schema's. */
export const durationLimitOf = (given: number): number => Math.min(given, yearSeconds);
