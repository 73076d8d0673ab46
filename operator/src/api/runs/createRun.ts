/**
 * A trigger becomes a TaskRun. Its name decides that nothing is triggered twice:
 *
 *   - with an idempotency key the name is made from key and generation: whoever comes second finds the first's run;
 *   - with a debounce key from that one (debounce.ts);
 *   - else from the id of the client's request, which a client that tries again repeats;
 *   - else it is random.
 * A payload that is too long for the resource is in the bucket before the run is there.
 */

import { createHash } from "node:crypto";
import { isId } from "@fairlead/protocol/ids";
import { idempotencyKeyAnnotation, originLabel } from "@fairlead/protocol/labels";
import { maxKeyGenerations, maxPayloadBytes, maxPayloadDataBytes } from "@fairlead/protocol/limits";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { newName } from "../../model/ids.ts";
import type { Debounce } from "../../model/keys/debounce.ts";
import { keepsKey, keyedRunName, keyHash, keyState, nameOfDigest } from "../../model/keys/idempotency.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { apiVersion, type TaskRun } from "../../model/resources.ts";
import { type KeyRecord, readKeyRecord } from "../../storage/keyRecord.ts";
import { triggerPayloadKey } from "../../storage/layout.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { Problem } from "../http/problem.ts";
import { packetKey } from "../packets.ts";
import { type DebounceDeps, debouncedRun, type Triggered } from "./debounce.ts";
import {
  debounceOf,
  payloadOf,
  payloadTooLarge,
  specOf,
  type TriggerOptions,
  type WirePayload,
} from "./wire/triggerBody.ts";

export interface CreateDeps extends DebounceDeps {
  client: Pick<KubeClient, "create" | "get" | "replace">;
  store: Pick<ObjectStore, "copy" | "delete" | "get" | "head" | "put">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export interface TriggerRequest {
  namespace: string;
  task: string;
  payload?: unknown;
  options?: TriggerOptions;
  /** The client's id of this call, the same when it tries again. */
  requestKey?: string;
  /** Stands for a token that makes one run, of whatever task. */
  oneTime?: string;
}

export async function createRun(deps: CreateDeps, request: TriggerRequest): Promise<Triggered> {
  const { namespace, task, options = {} } = request;
  if (!isId(task)) {
    throw new Problem(
      400,
      `taskIdentifier: "${task.slice(0, 128)}" is no task id: 1 to 128 letters, digits and _ - . / :`,
    );
  }
  const payload = payloadOf(request.payload, options);
  const spec = { task, ...specOf(options, deps.clock()) };
  if (request.oneTime !== undefined) return createOnce(deps, request, spec, payload, request.oneTime);
  const debounce = debounceOf(options);
  if (debounce) return createDebounced(deps, request, spec, payload, debounce);
  if (spec.idempotencyKey !== undefined) return createKeyed(deps, request, spec, payload);
  const name = request.requestKey ? requestName(namespace, task, request.requestKey) : newName();
  // One that is there already was made by this very call, before its answer was lost.
  await create(deps, request, name, spec, payload);
  return { name, isCached: false };
}

/** The token's run, also when it has become history. */
async function createOnce(
  deps: CreateDeps,
  request: TriggerRequest,
  spec: TaskRun["spec"],
  payload: WirePayload,
  oneTime: string,
): Promise<Triggered> {
  for (const option of ["idempotencyKey", "debounce"] as const) {
    if (request.options?.[option] !== undefined)
      throw new Problem(422, `options.${option}: not with a token for one use, which makes one run anyway`);
  }
  const name = requestName(request.namespace, "one-time", oneTime);
  if (await deps.reader.get(request.namespace, name)) return { name, isCached: true };
  return { name, isCached: !(await create(deps, request, name, spec, payload)) };
}

/** An idempotency key that is held wins; one that is free names the run, so that whoever comes second finds it. */
async function createDebounced(
  deps: CreateDeps,
  request: TriggerRequest,
  spec: TaskRun["spec"],
  payload: WirePayload,
  debounce: Debounce,
): Promise<Triggered> {
  const { namespace, task, requestKey } = request;
  const holder = await keyHolder(deps, request, spec.idempotencyKey);
  if (holder !== undefined) return { name: holder, isCached: true };
  const delayUntil = new Date(deps.clock() + debounce.delaySeconds * 1000).toISOString();
  return debouncedRun(deps, {
    ...{ namespace, task, debounce, request: requestKey },
    replacement: async (run) => {
      const given = ["tags", "metadata", "maxAttempts", "maxDurationSeconds", "machine"] as const;
      const fields = await payloadFields(deps, namespace, run, payload);
      const none = { payloadData: undefined, payloadType: undefined, payloadRef: undefined };
      const options = given.filter((field) => spec[field] !== undefined).map((field) => [field, spec[field]]);
      return { ...none, ...fields, ...Object.fromEntries(options) };
    },
    create: async (name, numbered, annotations) => {
      const whole = { ...spec, delayUntil, debounce: numbered };
      if (spec.idempotencyKey !== undefined) return createKeyed(deps, request, whole, payload, annotations);
      const made = await create(deps, request, name, whole, payload, annotations);
      return made ? { name, isCached: false } : undefined;
    },
  });
}

/** The run that holds the key; undefined when it is free. */
async function keyHolder(
  deps: CreateDeps,
  { namespace, task }: TriggerRequest,
  key: string | undefined,
): Promise<string | undefined> {
  if (key === undefined) return undefined;
  const record = await readKeyRecord(deps.store, namespace, keyHash(namespace, task, key));
  if (record && isHeld(record, deps.clock())) return record.run.name;
  const first = record ? record.generation + 1 : 0;
  for (let generation = first; generation < first + maxKeyGenerations; generation++) {
    const name = keyedRunName(namespace, task, key, generation);
    const live = await deps.client.get(TaskRuns, namespace, name);
    if (!live) return undefined;
    if (keyState(live, deps.clock()) === "held") return name;
  }
  return undefined;
}

const isHeld = ({ phase, freed, expiresAt }: KeyRecord, nowMs: number): boolean =>
  keepsKey(phase) && !freed && Date.parse(expiresAt) > nowMs;

async function createKeyed(
  deps: CreateDeps,
  request: TriggerRequest,
  spec: TaskRun["spec"],
  payload: WirePayload,
  annotations: Record<string, string> = {},
): Promise<Triggered> {
  const { namespace, task } = request;
  const { idempotencyKey: key = "" } = spec;
  const record = await readKeyRecord(deps.store, namespace, keyHash(namespace, task, key));
  let generation = 0;
  if (record) {
    if (isHeld(record, deps.clock())) return { name: record.run.name, isCached: true };
    generation = record.generation + 1;
  }
  for (const last = generation + maxKeyGenerations; generation < last; generation++) {
    const name = keyedRunName(namespace, task, key, generation);
    const keyed = { ...spec, ...(generation > 0 ? { idempotencyKeyGeneration: generation } : {}) };
    if (await create(deps, request, name, keyed, payload, annotations)) return { name, isCached: false };
    const live = await deps.client.get(TaskRuns, namespace, name);
    // Gone in this moment: it was retired or deleted, and the key is looked up anew.
    if (!live) return createKeyed(deps, request, spec, payload, annotations);
    if (keyState(live, deps.clock()) === "held") return { name, isCached: true };
  }
  throw new Problem(409, "options.idempotencyKey: used too often, choose another one");
}

/** False when a run of that name is there. */
async function create(
  deps: CreateDeps,
  { namespace, options }: TriggerRequest,
  name: string,
  spec: TaskRun["spec"],
  payload: WirePayload,
  annotations: Record<string, string> = {},
): Promise<boolean> {
  const fields = await payloadFields(deps, namespace, name, payload);
  const original = options?.idempotencyKeyOptions?.key;
  const all = { ...annotations, ...(original === undefined ? {} : { [idempotencyKeyAnnotation]: original }) };
  const run = {
    apiVersion,
    kind: "TaskRun",
    metadata: {
      name,
      namespace,
      labels: { [originLabel]: "api" },
      ...(Object.keys(all).length > 0 ? { annotations: all } : {}),
    },
    spec: { ...spec, ...fields },
  };
  try {
    await deps.client.create(TaskRuns, namespace, run);
    return true;
  } catch (error) {
    if (KubeError.is(error, "AlreadyExists")) {
      await dropUnused(deps, namespace, name, fields.payloadRef?.key);
      return false;
    }
    if (error instanceof KubeError && (error.status === 422 || error.status === 400)) {
      throw new Problem(422, error.message);
    }
    throw error;
  }
}

/** The payload of a run that was there already; not of one that this very call made, and did not hear of. */
async function dropUnused(
  { client, store }: CreateDeps,
  namespace: string,
  name: string,
  key: string | undefined,
): Promise<void> {
  if (key === undefined) return;
  const live = await client.get(TaskRuns, namespace, name);
  if (live && live.spec.payloadRef?.key !== key) await store.delete(key);
}

/** Under a key of its own each time: whoever is too late must not put its payload in place of the run's. */
async function payloadFields(
  { store }: CreateDeps,
  namespace: string,
  name: string,
  { text, type, storagePath }: WirePayload,
): Promise<Pick<TaskRun["spec"], "payloadData" | "payloadType" | "payloadRef">> {
  if (storagePath !== undefined) {
    const packet = packetKey(namespace, storagePath);
    const stored = await store.head(packet);
    if (!stored) throw new Problem(422, `payload: there is nothing at ${storagePath}: upload it first`);
    if (stored.size > maxPayloadBytes) throw payloadTooLarge(stored.size);
    // A copy of the run's own: the packet goes after a day.
    const key = triggerPayloadKey(namespace, name, newName());
    await store.copy(packet, key);
    return { payloadRef: { key, size: stored.size }, payloadType: stored.type ?? "application/json" };
  }
  if (text === undefined) return {};
  if (Buffer.byteLength(text) <= maxPayloadDataBytes) return { payloadData: text, payloadType: type };
  const key = triggerPayloadKey(namespace, name, newName());
  await store.put(key, text, { type });
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { payloadRef: { key, size: Buffer.byteLength(text), sha256 }, payloadType: type };
}

/** 25 lower-case letters and digits, as random names are. */
export const requestName = (...parts: string[]): string =>
  nameOfDigest("r", createHash("sha256").update(JSON.stringify(parts)).digest("hex"));
