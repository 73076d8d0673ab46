/**
 * A trigger becomes a TaskRun. The run's name decides that nothing is triggered twice:
 *
 *   - a single-use token names the one run that it may create;
 *   - a debounce key names the run that later triggers move (debounce.ts);
 *   - an idempotency key names a run by key and generation: the second trigger finds the first one's run;
 *   - else the id of the client's request names it, which a client repeats when it retries;
 *   - else the name is random.
 * A payload that is too long for the resource is in the bucket before the run exists.
 */
import { idempotencyKeyAnnotation, originLabel } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { newName } from "../../model/ids.ts";
import { type Debounce, withAnswered } from "../../model/keys/debounce.ts";
import { holdsKey } from "../../model/keys/idempotency.ts";
import { requestName } from "../../model/keys/names.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { apiVersion, type TaskRunSpec } from "../../model/resources.ts";
import { trailingSpec } from "../../model/run/triggerFields.ts";
import { type CreatedOrFound, createOrFind } from "../../runs/createOrFind.ts";
import { keyCandidates } from "../../runs/keyedRun.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { mayMake, wasUsed } from "../auth/oneUse.ts";
import { ownName, withOwnKeys } from "../auth/ownNames.ts";
import type { Caller } from "../http/caller.ts";
import { Problem, refusal } from "../http/problem.ts";
import { type BudgetDeps, demandRoom } from "./budget.ts";
import { type DebounceDeps, debounceActions, pushStart } from "./debounce.ts";
import { parentOf } from "./parent.ts";
import { dropPayload, storePayload } from "./payload.ts";
import type { RunReader } from "./reader.ts";
import {
  checkTaskId,
  debounceOf,
  payloadOf,
  specOf,
  type TriggerOptions,
  type WirePayload,
} from "./wire/triggerBody.ts";

export interface CreateDeps extends DebounceDeps, BudgetDeps {
  client: Pick<KubeClient, "create" | "get" | "replace">;
  store: Stores<"copy" | "delete" | "get" | "head" | "list" | "put" | "putNew" | "unreadable">;
  reader: Pick<RunReader, "get" | "unfinishedIn" | "youngestOf">;
}

interface TriggerRequest {
  /** Its public token's keys are its own, and one for a single use creates one run, of any task. */
  caller: Caller;
  task: string;
  payload?: unknown;
  options?: TriggerOptions;
  /** The client's id of this call, the same when it retries. */
  requestKey?: string;
  /** Name of the run that this one repeats. */
  replayOf?: string;
}

interface Triggered {
  name: string;
  /** The run existed before: it answers an idempotency key, a debounce key or a single-use token. */
  isCached: boolean;
}

/** A run that has everything but its name. */
interface Draft {
  caller: Caller;
  namespace: string;
  spec: TaskRunSpec & { task: string };
  annotations: Record<string, string>;
  payload: WirePayload;
}

export async function createRun(deps: CreateDeps, request: TriggerRequest): Promise<Triggered> {
  const { caller, task, replayOf } = request;
  const { namespace, isOneTime, tokenHash } = caller;
  const options = withOwnKeys(caller, request.options ?? {});
  const requestKey = request.requestKey && ownName(caller, request.requestKey);
  checkTaskId(task);
  const payload = payloadOf(request.payload, options);
  const original = options.idempotencyKeyOptions?.key;
  const parent = await parentOf(deps.client, caller, options);
  const made = { ...(replayOf ? { replayOf } : {}), ...(parent ? { parent } : {}) };
  const draft: Draft = {
    caller,
    namespace,
    spec: { task, ...specOf(options, deps.clock()), ...made },
    annotations: original === undefined ? {} : { [idempotencyKeyAnnotation]: original },
    payload,
  };
  if (isOneTime && tokenHash !== undefined) return createOnce(deps, draft, request.options ?? {}, tokenHash);
  const debounce = debounceOf(options);
  if (debounce) return createDebounced(deps, draft, debounce, requestKey);
  if (draft.spec.idempotencyKey !== undefined) return createKeyed(deps, draft, draft.spec.idempotencyKey);
  const name = requestKey ? requestName(namespace, task, requestKey) : newName();
  // A run that exists was created by this very call, before its answer was lost.
  await createNamed(deps, draft, name);
  return { name, isCached: false };
}

/** The token's run, also when it was retired. */
async function createOnce(
  deps: CreateDeps,
  draft: Draft,
  options: TriggerOptions,
  token: string,
): Promise<Triggered> {
  for (const option of ["idempotencyKey", "debounce"] as const) {
    if (options[option] !== undefined)
      throw new Problem(422, `options.${option}: cannot be combined with a single-use token: leave one out`);
  }
  const name = requestName(draft.namespace, "one-time", token);
  const mayCreate = await mayMake(deps, draft.caller, name);
  if (await deps.reader.get(draft.namespace, name)) return { name, isCached: true };
  if (!mayCreate) throw wasUsed();
  return { name, isCached: !(await createNamed(deps, draft, name)).isNew };
}

/** The run that holds the key, else a new one of the first generation that is free. */
async function createKeyed(deps: CreateDeps, draft: Draft, key: string): Promise<Triggered> {
  const { namespace, spec } = draft;
  for await (const candidate of keyCandidates(deps, { namespace, task: spec.task, key })) {
    const { name, retired } = candidate;
    if (retired) return { name, isCached: true };
    const numbered = {
      ...spec,
      ...(candidate.generation > 0 ? { idempotencyKeyGeneration: candidate.generation } : {}),
    };
    const { run, isNew } = await createNamed(deps, { ...draft, spec: numbered }, name);
    if (isNew) return { name, isCached: false };
    // Retired or deleted since: the record in the bucket may have changed, so the search starts anew.
    if (!run) return createKeyed(deps, draft, key);
    if (holdsKey(run, deps.clock())) return { name, isCached: true };
  }
  throw new Problem(409, "options.idempotencyKey: used too often: choose another key");
}

/** Name of the run that holds the key; undefined when it is free. */
async function findKeyHolder(
  deps: CreateDeps,
  { namespace, spec }: Draft,
  key: string,
): Promise<string | undefined> {
  for await (const { name, retired } of keyCandidates(deps, { namespace, task: spec.task, key })) {
    if (retired) return name;
    const run = await deps.client.get(TaskRuns, namespace, name);
    if (!run) return undefined;
    if (holdsKey(run, deps.clock())) return name;
  }
  return undefined;
}

/**
 * A held idempotency key wins over the debounce key; a free one names the run, so that a second trigger finds
 * it.
 */
async function createDebounced(
  deps: CreateDeps,
  draft: Draft,
  debounce: Debounce,
  requestKey: string | undefined,
): Promise<Triggered> {
  const { caller, namespace, spec, payload } = draft;
  const { task, idempotencyKey } = spec;
  const holder = idempotencyKey === undefined ? undefined : await findKeyHolder(deps, draft, idempotencyKey);
  if (holder !== undefined) return { name: holder, isCached: true };
  const delayUntil = new Date(deps.clock() + debounce.delaySeconds * 1000).toISOString();
  const annotations = { ...draft.annotations, ...withAnswered(undefined, requestKey) };
  for await (const action of debounceActions(deps, { namespace, task, debounce, requestKey })) {
    if ("answered" in action) return { name: action.answered, isCached: true };
    if ("push" in action) {
      const { name } = action.push.metadata;
      const change =
        debounce.mode === "trailing"
          ? trailingSpec({ ...spec, ...(await storePayload(deps.store, caller, name, payload)) })
          : {};
      if (await pushStart(deps, action, requestKey, change)) return { name, isCached: true };
      continue;
    }
    const { create: name, generation } = action;
    const numbered = { ...debounce, ...(generation > 0 ? { generation } : {}) };
    const delayed: Draft = { ...draft, annotations, spec: { ...spec, delayUntil, debounce: numbered } };
    if (idempotencyKey !== undefined) return createKeyed(deps, delayed, idempotencyKey);
    if ((await createNamed(deps, delayed, name)).isNew) return { name, isCached: false };
  }
  throw new Problem(409, "options.debounce.key: too many triggers at once: try again");
}

async function createNamed(
  deps: CreateDeps,
  { caller, namespace, spec, annotations, payload }: Draft,
  name: string,
): Promise<CreatedOrFound> {
  const { client, store } = deps;
  const exists = async () => (await client.get(TaskRuns, namespace, name)) !== undefined;
  await demandRoom(deps, namespace, 1, exists);
  const fields = await storePayload(store, caller, name, payload);
  const labels = { [originLabel]: "api" };
  const result = await createOrFind(client, {
    apiVersion,
    kind: "TaskRun",
    metadata: { name, namespace, labels, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: { ...spec, ...fields },
  }).catch((error: unknown) => {
    throw refusal(error);
  });
  if (!result.isNew && result.run) await dropPayload(store, fields, result.run);
  return result;
}
