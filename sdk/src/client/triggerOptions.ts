/** The options of a trigger as they go over the wire. */
import { durationPattern } from "@fairlead/protocol/durations";
import { InvalidOptionError } from "../errors.ts";
import type { TriggerOptions } from "../types.ts";
import { wireKey } from "./idempotencyKeys.ts";

export async function wireOptions(options: TriggerOptions): Promise<Record<string, unknown>> {
  const { delay, ttl, idempotencyKey, queue, version, metadata, ...rest } = options;
  if (typeof ttl === "string" && !durationPattern.test(ttl)) {
    throw new InvalidOptionError(
      "ttl",
      `"${ttl}" is not a duration; it must be like 10m, a date is not allowed`,
    );
  }
  return {
    ...rest,
    delay: delay instanceof Date ? delay.toISOString() : delay,
    ttl,
    queue: typeof queue === "string" ? { name: queue } : queue,
    lockToVersion: version,
    metadata,
    ...(idempotencyKey === undefined ? {} : await wireKey(idempotencyKey)),
  };
}
