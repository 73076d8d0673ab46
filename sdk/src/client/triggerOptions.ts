/** The options of a trigger as they go over the wire. What is no time is refused before anything is sent. */
import { delayRule, parseDelay, parseDuration } from "@fairlead/protocol/durations";
import { InvalidOptionError } from "../errors.ts";
import type { TriggerOptions } from "../types.ts";
import { wireKey } from "./idempotencyKeys.ts";

export async function wireOptions(options: TriggerOptions): Promise<Record<string, unknown>> {
  const { delay, ttl, idempotencyKey, queue, version, metadata, ...rest } = options;
  const { idempotencyKeyTTL, debounce } = options;
  if (ttl !== undefined && !(Number.isInteger(ttl) && Number(ttl) >= 0)) demandDuration("ttl", ttl);
  if (idempotencyKeyTTL !== undefined) demandDuration("idempotencyKeyTTL", idempotencyKeyTTL);
  if (debounce) {
    demandDuration("debounce.delay", debounce.delay);
    if (debounce.maxDelay !== undefined) demandDuration("debounce.maxDelay", debounce.maxDelay);
  }
  return {
    ...rest,
    delay: delay === undefined ? undefined : wireDelay(delay),
    ttl,
    queue: typeof queue === "string" ? { name: queue } : queue,
    lockToVersion: version,
    metadata,
    ...(idempotencyKey === undefined ? {} : await wireKey(idempotencyKey)),
  };
}

/** A delay as text. */
export function wireDelay(delay: string | Date): string {
  const text = delay instanceof Date ? textOf(delay) : delay;
  if (typeof text === "string" && parseDelay(text, 0) !== undefined) return text;
  throw new InvalidOptionError("delay", `${shown(text)} is not ${delayRule}`);
}

const textOf = (date: Date): string => (Number.isNaN(date.getTime()) ? "Invalid Date" : date.toISOString());

/** A value of another type than the compiler allows may come, too. */
function demandDuration(option: string, value: unknown): void {
  if (typeof value === "string" && parseDuration(value) !== undefined) return;
  throw new InvalidOptionError(
    option,
    `${shown(value)} is not a duration; it must be like 10m, a date is not allowed`,
  );
}

const shown = (value: unknown): string => JSON.stringify(value) ?? String(value);
