/** The options of a trigger as they go over the wire. What is no time is refused before anything is sent. */
import { delayRule, parseDelay, parseDuration } from "@fairlead/protocol/durations";
import { idRule, isId } from "@fairlead/protocol/ids";
import { maxMetadataBytes } from "@fairlead/protocol/limits";
import { machineNames } from "@fairlead/protocol/machines";
import {
  anything,
  type Check,
  checkOptions,
  number,
  oneOf,
  shown,
  text,
  texts,
  wholeNumber,
} from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import { NotEncodableError, serialize, TooLargeError } from "../serialize.ts";
import type { DebounceOptions, TriggerOptions } from "../types.ts";
import { wireKey } from "./idempotencyKeys.ts";

/** A check for each option: one that is added has to be here. */
type Table<T> = Record<keyof T, Check>;
type QueueOptions = Exclude<TriggerOptions["queue"], string | undefined>;

const queueName: Check = (value) =>
  typeof value === "string" && isId(value) ? undefined : `${shown(value)} is given; it must have ${idRule}`;
const queueTable = { name: queueName, concurrencyLimit: wholeNumber(0) } satisfies Table<QueueOptions>;
const debounceTable = {
  key: text,
  delay: anything,
  mode: oneOf("leading", "trailing"),
  maxDelay: anything,
} satisfies Table<DebounceOptions>;

const table = {
  // Checked below.
  delay: anything,
  ttl: anything,
  idempotencyKey: anything,
  idempotencyKeyTTL: anything,
  queue: anything,
  concurrencyKey: text,
  maxAttempts: wholeNumber(1),
  tags: texts,
  metadata: anything,
  maxDuration: number,
  priority: number,
  machine: oneOf(...machineNames),
  version: text,
  debounce: anything,
} satisfies Table<TriggerOptions>;

/** Throws InvalidOptionError for what cannot be right. */
export async function wireOptions(options: TriggerOptions): Promise<Record<string, unknown>> {
  checkOptions(options, table);
  const { delay, ttl, idempotencyKey, queue, version, metadata, ...rest } = options;
  if (typeof queue === "string") checkOptions({ queue }, { queue: queueName });
  else checkOptions(queue, queueTable, "queue");
  checkOptions(rest.debounce, debounceTable, "debounce");
  if (metadata !== undefined) await checkMetadata(metadata);
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

/** Metadata are plain JSON: nothing would distinguish a Date from text when they are read. */
async function checkMetadata(metadata: unknown): Promise<void> {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    throw new InvalidOptionError("metadata", `${shown(metadata)} is given; it must be an object`);
  try {
    const serialized = await serialize(metadata, "metadata", maxMetadataBytes);
    const { meta } = (serialized?.json ?? {}) as {
      meta?: { values?: object; referentialEqualities?: object };
    };
    if (serialized?.type === "application/json" || !meta) return;
    const typed = Object.entries(meta.values ?? {}).find(([, type]) => type?.[0] !== "undefined");
    if (typed) {
      const type = [typed[1]?.[0]].flat().at(-1);
      const problem = `is of type ${type}; metadata are plain JSON, give it as text`;
      throw new InvalidOptionError(`metadata.${typed[0]}`, problem);
    }
    if (meta.referentialEqualities)
      throw new InvalidOptionError("metadata", "refers to an object around it; metadata are plain JSON");
  } catch (error) {
    if (error instanceof NotEncodableError) throw new InvalidOptionError(error.path, error.problem);
    if (error instanceof TooLargeError)
      throw new InvalidOptionError(
        "metadata",
        `more than ${maxMetadataBytes} bytes, at most that many are allowed`,
      );
    throw error;
  }
}
