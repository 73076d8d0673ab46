/**
 * What a trigger asks for, as Trigger.dev's clients send it, and the TaskRun's spec that it becomes. An
 * option that is not supported is refused by name. https://trigger.dev/docs/triggering describes the options.
 */

import { idPattern, idRule, isId, maxIdLength } from "@fairlead/protocol/ids";
import { maxMetadataBytes, maxPayloadBytes, yearSeconds } from "@fairlead/protocol/limits";
import { machineNames } from "@fairlead/protocol/machines";
import { z } from "zod";
import { isRawNumber, parseExact } from "../../../lib/exactJson.ts";
import type { Debounce } from "../../../model/keys/debounce.ts";
import type { TaskRunSpec } from "../../../model/resources.ts";
import type { OptionField } from "../../../model/run/triggerFields.ts";
import { triggerFields } from "../../../model/run/triggerFields.ts";
import { mediaType } from "../../../model/schema/common.ts";
import { Problem } from "../../http/problem.ts";
import { debounceSecondsOf, durationLimitOf, keyTtlOf, noMaxDuration, startOf, ttlOf } from "./times.ts";

const queueName = z.string().min(1).max(maxIdLength).regex(idPattern, `not a valid name: use ${idRule}`);
/** Trigger.dev's shortest one. Its word for "none" is beyond the longest. */
const maxDuration = z.union([z.literal(noMaxDuration), z.int().min(5).max(yearSeconds)]);

/** What the official SDKs send by themselves inside a task or beside a payload, and nothing here acts on. */
const withoutEffect = {
  parentAttempt: z.string().optional(),
  parentBatch: z.string().optional(),
  dependentAttempt: z.string().optional(),
  dependentBatch: z.string().optional(),
  payloadSize: z.number().optional(),
};
/** Options of Trigger.dev that a user sets, and Fairlead does not have. */
const unsupported = ["region", "concurrency", "gates", "externalDeploymentId", "bulkActionId"] as const;

export const tagList = z
  .union([z.string(), z.array(z.string()).max(1_000)])
  .transform((tags) => [...new Set([tags].flat().filter((tag) => tag !== ""))]);

/** 422, which the official client's `tags.add` takes for an answer. */
export function checkTags(tags: readonly string[], field: string): void {
  if (tags.length > 10) throw new Problem(422, `${field}: ${tags.length} tags, at most 10 are allowed`);
  if (tags.some((tag) => tag.length > 128)) {
    throw new Problem(422, `${field}: a tag is too long: at most 128 characters are allowed`);
  }
}

export function checkTaskId(id: string): void {
  if (isId(id)) return;
  throw new Problem(
    400,
    `taskIdentifier: "${id.slice(0, maxIdLength)}" is not a valid task id: use ${idRule}`,
  );
}

/** Strict, as all of this file: a field that it does not have is refused. */
export const triggerOptions = z.strictObject({
  // A number, as Trigger.dev takes it; what has no text of its own would make one key of all values.
  concurrencyKey: z
    .union([z.string().min(1).max(256), z.number().transform(String)], "a string is needed")
    .optional(),
  delay: z.union([z.string(), z.number()]).optional(),
  ttl: z.union([z.string(), z.number()]).optional(),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  idempotencyKeyTTL: z.string().optional(),
  idempotencyKeyOptions: z
    .strictObject({ key: z.string().max(2048).optional(), scope: z.string().max(64).optional() })
    .optional(),
  queue: z
    .union([
      queueName.transform((name): { name?: string; concurrencyLimit?: number | null } => ({ name })),
      z.strictObject({
        name: queueName.optional(),
        concurrencyLimit: z.int().min(1).max(100_000).nullish(),
      }),
    ])
    .optional(),
  machine: z.enum(machineNames).optional(),
  maxAttempts: z.int().min(1).max(250).optional(),
  maxDuration: maxDuration.optional(),
  metadata: z.unknown().optional(),
  metadataType: z.string().optional(),
  payloadType: mediaType().optional(),
  priority: z.int().min(-yearSeconds).max(yearSeconds).optional(),
  tags: tagList.optional(),
  test: z.boolean().optional(),
  lockToVersion: z.string().min(1).max(64).optional(),
  debounce: z
    .strictObject({
      key: z.string().min(1).max(512),
      delay: z.string(),
      mode: z.enum(["leading", "trailing"]).optional(),
      maxDelay: z.string().optional(),
    })
    .optional(),
  /** Which run triggers it, and whether it waits for it: parent.ts. */
  parentRunId: z.string().max(512).optional(),
  resumeParentOnCompletion: z.boolean().optional(),
  ...Object.fromEntries(unsupported.map((option) => [option, z.unknown().optional()])),
  ...withoutEffect,
});

export type TriggerOptions = z.infer<typeof triggerOptions>;

export const triggerBody = z.strictObject({
  payload: z.unknown().optional(),
  options: triggerOptions.optional(),
});

/**
 * Media type of a payload that the client put into the bucket itself; the payload is then its storage path.
 */
export const storeType = "application/store";

export interface WirePayload {
  /** Undefined: none. */
  text?: string;
  type: string;
  /** Where the client put it. */
  storagePath?: string;
}

/** JSON arrives as JSON, everything else as the text that the client serialized. */
export function payloadOf(
  payload: unknown,
  { payloadType }: Pick<TriggerOptions, "payloadType"> = {},
): WirePayload {
  const type = payloadType ?? "application/json";
  if (payload === undefined) return { type };
  if (type === storeType) {
    if (typeof payload !== "string" || payload === "") {
      throw new Problem(
        400,
        `payload: not a storage path, which payloadType ${storeType} promises: pass the path that it was uploaded to`,
      );
    }
    return { type, storagePath: payload };
  }
  const text =
    type !== "application/json" && typeof payload === "string" ? payload : jsonOf(payload, "payload");
  if (!text.isWellFormed())
    throw new Problem(422, "payload: has half of a surrogate pair, which UTF-8 cannot hold: leave it out");
  const size = Buffer.byteLength(text);
  if (size > maxPayloadBytes) throw payloadTooLarge(size);
  return { text, type };
}

export const payloadTooLarge = (size: number): Problem =>
  new Problem(
    413,
    `payload: ${size} bytes, at most ${maxPayloadBytes} (10 MB) are allowed; put it into storage of your own and pass its location`,
  );

/** Debouncing decides a run's name and start, not only its spec: `debounceOf`. */
type SpecField = Exclude<OptionField, "debounce">;

/**
 * The part of the spec that the options decide. An option of the table triggerFields does not compile without
 * its row.
 */
export function specOf(options: TriggerOptions, nowMs: number): Pick<TaskRunSpec, SpecField> {
  refuseUnsupported(options);
  checkTags(options.tags ?? [], "options.tags");
  const { delay, ttl, maxDuration, metadata } = options;
  const fields: Record<SpecField, unknown> & { [F in SpecField]: TaskRunSpec[F] } = {
    queue: queueOf(options),
    concurrencyKey: options.concurrencyKey,
    priority: options.priority,
    delayUntil: delay === undefined ? undefined : startOf(delay, nowMs),
    ttlSeconds: ttl === undefined ? undefined : ttlOf(ttl),
    idempotencyKey: options.idempotencyKey,
    idempotencyKeyTTLSeconds: keyTtlOf(options.idempotencyKeyTTL),
    maxAttempts: options.maxAttempts,
    maxDurationSeconds: maxDuration === undefined ? undefined : durationLimitOf(maxDuration),
    machine: options.machine,
    // What a run waits for has the version of that run, which admission finds.
    version: options.resumeParentOnCompletion ? undefined : options.lockToVersion,
    tags: options.tags?.length ? options.tags : undefined,
    metadata: metadata === undefined ? undefined : metadataOf(metadata, options.metadataType),
    test: options.test || undefined,
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  for (const [field, value] of given) refuseHalfCharacters(field, value);
  return Object.fromEntries(given);
}

/** Half of a surrogate pair, which no UTF-8 can carry: it would come out as another character. */
function refuseHalfCharacters(field: string, value: unknown): void {
  // JSON.stringify escapes it, and no other surrogate.
  if (!/(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(JSON.stringify(value))) return;
  const { option = field } = triggerFields[field as SpecField];
  throw new Problem(
    422,
    `options.${option}: has half of a surrogate pair, which UTF-8 cannot hold: leave it out`,
  );
}

function queueOf({ queue }: TriggerOptions): TaskRunSpec["queue"] {
  if (!queue?.name && !queue?.concurrencyLimit) return undefined;
  return {
    ...(queue.name ? { name: queue.name } : {}),
    ...(queue.concurrencyLimit ? { concurrencyLimit: queue.concurrencyLimit } : {}),
  };
}

function refuseUnsupported(options: TriggerOptions): void {
  for (const name of unsupported) {
    if ((options as Record<string, unknown>)[name] !== undefined)
      throw new Problem(422, `options.${name}: not supported by Fairlead yet: leave it out`);
  }
}

/** As it goes into the spec; undefined for a trigger that is not debounced. */
export function debounceOf({ debounce, delay }: TriggerOptions): Debounce | undefined {
  if (!debounce) return undefined;
  if (delay !== undefined) {
    throw new Problem(
      422,
      "options.delay: cannot be combined with options.debounce, whose delay decides the start: leave one out",
    );
  }
  const { key, mode = "leading" } = debounce;
  const delaySeconds = debounceSecondsOf("delay", debounce.delay);
  if (debounce.maxDelay === undefined) return { key, mode, delaySeconds };
  const maxDelaySeconds = debounceSecondsOf("maxDelay", debounce.maxDelay);
  if (maxDelaySeconds <= delaySeconds) {
    throw new Problem(
      422,
      `options.debounce.maxDelay: "${debounce.maxDelay}" is not longer than the delay, "${debounce.delay}"`,
    );
  }
  return { key, mode, delaySeconds, maxDelaySeconds };
}

function metadataOf(metadata: unknown, type = "application/json"): unknown {
  const value = typeof metadata === "string" && type.includes("json") ? parsedMetadata(metadata) : metadata;
  const { json, meta } =
    type.includes("super+json") && isJsonObject(value) && "json" in value ? value : { json: value };
  if (meta !== undefined && Object.keys(meta ?? {}).length > 0)
    throw new Problem(
      422,
      "options.metadata: has types that JSON does not have: turn them into text or numbers",
    );
  return checkMetadata(json, "options.metadata");
}

function parsedMetadata(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    throw new Problem(
      422,
      "options.metadata: not valid JSON, which its type promises: send JSON, or leave metadataType out",
    );
  }
}

export function checkMetadata(value: unknown, field: string): Record<string, unknown> {
  if (!isJsonObject(value))
    throw new Problem(422, `${field}: not an object: give it names, for example {"progress": 1}`);
  const size = Buffer.byteLength(jsonOf(value, field));
  if (size > maxMetadataBytes)
    throw new Problem(413, `${field}: ${size} bytes, at most ${maxMetadataBytes} are allowed`);
  return value;
}

const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isRawNumber(value);

function jsonOf(value: unknown, field: string): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(422, `${field}: nested too deeply`);
    throw error;
  }
}
