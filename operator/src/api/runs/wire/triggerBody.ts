/**
 * What a trigger asks for, as Trigger.dev's clients send it, and the TaskRun's spec that it becomes. An
 * option that is not supported is refused by name. https://trigger.dev/docs/triggering describes the options.
 */
import { idPattern, idRule, isId, maxIdLength } from "@fairlead/protocol/ids";
import { maxMetadataBytes, maxPayloadBytes, yearSeconds } from "@fairlead/protocol/limits";
import { z } from "zod";
import type { Debounce } from "../../../model/keys/debounce.ts";
import type { TaskRunSpec } from "../../../model/resources.ts";
import type { OptionField } from "../../../model/run/triggerFields.ts";
import { machineNames } from "../../../model/schema/common.ts";
import { Problem } from "../../http/problem.ts";
import { debounceSecondsOf, durationLimitOf, keyTtlOf, startOf, ttlOf } from "./times.ts";

const queueName = z.string().min(1).max(maxIdLength).regex(idPattern, `not a valid name: use ${idRule}`);
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

export const triggerOptions = z.object({
  concurrencyKey: z.coerce.string().min(1).max(256).optional(),
  delay: z.union([z.string(), z.number()]).optional(),
  ttl: z.union([z.string(), z.number()]).optional(),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  idempotencyKeyTTL: z.string().optional(),
  idempotencyKeyOptions: z.looseObject({ key: z.string().max(2048).optional() }).optional(),
  queue: z
    .union([
      queueName.transform((name): { name?: string; concurrencyLimit?: number | null } => ({ name })),
      z.object({
        name: queueName.optional(),
        concurrencyLimit: z.int().min(1).max(100_000).nullish(),
      }),
    ])
    .optional(),
  machine: z.enum(machineNames).optional(),
  maxAttempts: z.int().min(1).max(250).optional(),
  maxDuration: z.int().min(1).optional(),
  metadata: z.unknown().optional(),
  metadataType: z.string().optional(),
  payloadType: z.string().max(64).optional(),
  payloadSize: z.number().optional(),
  priority: z.number().min(-yearSeconds).max(yearSeconds).optional(),
  tags: tagList.optional(),
  test: z.boolean().optional(),
  lockToVersion: z.string().min(1).max(64).optional(),
  region: z.string().optional(),
  debounce: z
    .object({
      key: z.string().min(1).max(512),
      delay: z.string(),
      mode: z.enum(["leading", "trailing"]).optional(),
      maxDelay: z.string().optional(),
    })
    .optional(),
  // Options for use inside a task, and options that are not supported yet: refused where they would do
  // something.
  parentRunId: z.string().optional(),
  resumeParentOnCompletion: z.boolean().optional(),
  concurrency: z.unknown().optional(),
  externalDeploymentId: z.string().optional(),
});

export type TriggerOptions = z.infer<typeof triggerOptions>;

export const triggerBody = z.object({
  payload: z.unknown().optional(),
  context: z.unknown().optional(),
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
  const text = type !== "application/json" && typeof payload === "string" ? payload : JSON.stringify(payload);
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
  const { delay, ttl, priority, maxDuration, metadata } = options;
  const fields: Record<SpecField, unknown> & { [F in SpecField]: TaskRunSpec[F] } = {
    queue: queueOf(options),
    concurrencyKey: options.concurrencyKey,
    priority: priority === undefined ? undefined : Math.round(priority),
    delayUntil: delay === undefined ? undefined : startOf(delay, nowMs),
    ttlSeconds: ttl === undefined ? undefined : ttlOf(ttl),
    idempotencyKey: options.idempotencyKey,
    idempotencyKeyTTLSeconds: keyTtlOf(options.idempotencyKeyTTL),
    maxAttempts: options.maxAttempts,
    maxDurationSeconds: maxDuration === undefined ? undefined : durationLimitOf(maxDuration),
    machine: options.machine,
    version: options.lockToVersion,
    tags: options.tags?.length ? options.tags : undefined,
    metadata: metadata === undefined ? undefined : metadataOf(metadata, options.metadataType),
    test: options.test || undefined,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function queueOf({ queue }: TriggerOptions): TaskRunSpec["queue"] {
  if (!queue?.name && !queue?.concurrencyLimit) return undefined;
  return {
    ...(queue.name ? { name: queue.name } : {}),
    ...(queue.concurrencyLimit ? { concurrencyLimit: queue.concurrencyLimit } : {}),
  };
}

function refuseUnsupported(options: TriggerOptions): void {
  const unsupported = ["concurrency", "externalDeploymentId"] as const;
  for (const name of unsupported) {
    if (options[name] !== undefined)
      throw new Problem(422, `options.${name}: not supported by Fairlead yet: leave it out`);
  }
  if (options.resumeParentOnCompletion) {
    throw new Problem(
      422,
      "options.resumeParentOnCompletion: waiting for a child run is not supported by Fairlead yet: leave it out",
    );
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
  let value = metadata;
  if (typeof metadata === "string" && type.includes("json")) {
    try {
      value = JSON.parse(metadata);
    } catch {
      throw new Problem(
        422,
        "options.metadata: not valid JSON, which its type promises: send JSON, or leave metadataType out",
      );
    }
  }
  if (typeof value === "object" && value && "json" in value && type.includes("super+json"))
    value = value.json;
  const size = Buffer.byteLength(JSON.stringify(value) ?? "");
  if (size > maxMetadataBytes)
    throw new Problem(413, `options.metadata: ${size} bytes, at most ${maxMetadataBytes} are allowed`);
  return value;
}
