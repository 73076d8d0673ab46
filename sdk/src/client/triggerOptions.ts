/** The options of a trigger, as Trigger.dev's documentation describes them, and how they go over the wire. */
import { wireKey } from "./idempotencyKeys.ts";

/** A duration: `10s`, `1h30m`, `2d`. */
export type Duration = string;

/** How a run is to be made. */
export interface TriggerOptions {
  /** Not before then: a duration from now, or a date. */
  delay?: Duration | Date;
  /** How long the run may wait for its start, as a duration or in seconds; 0: for ever. No date. */
  ttl?: Duration | number;
  /** Makes the task run once for this key: some text, its parts, or what idempotencyKeys.create made of them. */
  idempotencyKey?: string | string[];
  /** How long the key counts. Default 30 days. */
  idempotencyKeyTTL?: Duration;
  /** The queue that the run waits in, by name; with a limit it is made on demand. */
  queue?: string | { name: string; concurrencyLimit?: number };
  /** Gives each of its values a copy of the queue, with the queue's limit. */
  concurrencyKey?: string;
  /** Attempts in all; wins over the task's own. */
  maxAttempts?: number;
  /** Up to 10, of 128 characters each. */
  tags?: string | string[];
  /** Any JSON object that travels with the run, up to 256 KB. */
  metadata?: Record<string, unknown>;
  /** Seconds that an attempt may execute, 5 at the least. */
  maxDuration?: number;
  /** Seconds by which the run jumps ahead in its queue. */
  priority?: number;
  /** Machine preset, such as `small-2x`. */
  machine?: string;
  /** The task's version to run. */
  version?: string;
  /** Makes one run of many triggers; not in a batch. */
  debounce?: DebounceOptions;
}

/** How triggers become one run. */
export interface DebounceOptions {
  /** Of a task's triggers with this key, those that come while the first one's run is delayed only move its start. */
  key: string;
  /** How long after the last trigger the run starts; a second at least. No date. */
  delay: Duration;
  /** Whose payload and options count: the first trigger's (`leading`, the default) or the last one's. */
  mode?: "leading" | "trailing";
  /** How long after the first trigger the run starts at the latest; longer than `delay`. */
  maxDelay?: Duration;
}

export async function wireOptions(options: TriggerOptions): Promise<Record<string, unknown>> {
  const { delay, ttl, idempotencyKey, queue, version, metadata, ...rest } = options;
  if (typeof ttl === "string" && !/^(\d+(w|d|hr|h|m|s))+$/.test(ttl)) {
    throw new TypeError(`ttl: "${ttl}" is no duration such as 10m; a date is not allowed`);
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
