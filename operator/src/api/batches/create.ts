/**
 * One batch for a call: identified by its key, else by the client's request, so that a call that is sent
 * again finds what it created.
 *
 * The batch's name is derived from either; the API server lets one call create it. A retired batch is kept in
 * the bucket; its record is written before the resource is deleted. So look there *after* creating: if this
 * name belongs to a retired batch, delete the new one and return the retired one. No other caller has seen
 * the new one as its own. When the API stops in between, the next call finds the retired batch (`findBatch`),
 * and the new one ends for lack of items.
 *
 * A key is free again when its batch was aborted, and after its time, counted from the batch's creation.
 */
import { keyTtlAnnotation, originLabel, tokenAnnotation } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import { newName } from "../../model/ids.ts";
import { defaultKeySeconds } from "../../model/keys/idempotency.ts";
import { generationsFrom, requestName } from "../../model/keys/names.ts";
import { TaskBatches } from "../../model/kinds.ts";
import { apiVersion, type TaskBatch } from "../../model/resources.ts";
import { readBatchHistory } from "../../storage/batchHistory.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { mayMake, wasUsed } from "../auth/oneUse.ts";
import { ownName } from "../auth/ownNames.ts";
import type { Caller } from "../http/caller.ts";
import { Problem } from "../http/problem.ts";
import { type BudgetDeps, demandRoom } from "../runs/budget.ts";
import { type ParentOptions, parentOf } from "../runs/parent.ts";

interface CreateBatchDeps extends BudgetDeps {
  client: Pick<KubeClient, "create" | "delete" | "get">;
  store: Stores<"get" | "list" | "put" | "putNew" | "unreadable">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

interface WantedBatch extends ParentOptions {
  runCount: number;
  /** The client's id of this call. */
  requestKey?: string;
  idempotencyKey?: string;
  keyTtlSeconds?: number;
  maxConcurrency?: number;
}

interface BatchCreated {
  batch: TaskBatch;
  /** An earlier batch holds the idempotency key. */
  isCached: boolean;
}

/** Whether the batch waits for items. */
export const takesItems = (batch: TaskBatch): boolean =>
  batch.status?.sealedAt === undefined && !isBatchFinished(batch);

export async function createBatch(
  deps: CreateBatchDeps,
  caller: Caller,
  wanted: WantedBatch,
): Promise<BatchCreated> {
  const { namespace, tokenHash, isOneTime = false } = caller;
  const { runCount, idempotencyKey, keyTtlSeconds = defaultKeySeconds } = wanted;
  if (isOneTime && idempotencyKey !== undefined)
    throw new Problem(422, "idempotencyKey: cannot be combined with a single-use token: leave one out");
  const isIdentified = idempotencyKey !== undefined || isOneTime;
  const draft: Draft = {
    namespace,
    annotations: {
      ...(isIdentified && { [keyTtlAnnotation]: String(keyTtlSeconds) }),
      ...(tokenHash !== undefined && { [tokenAnnotation]: tokenHash }),
    },
    spec: {
      expectedCount: runCount,
      maxConcurrency: wanted.maxConcurrency,
      parent: await parentOf(deps.client, caller, wanted),
    },
  };
  if (idempotencyKey !== undefined) return createKeyed(deps, draft, ownName(caller, idempotencyKey));
  const id = isOneTime ? tokenHash : wanted.requestKey && ownName(caller, wanted.requestKey);
  const name = id ? requestName(namespace, "batch", id) : newName();
  if (isOneTime && !(await mayMake(deps, caller, name)) && !(await findBatch(deps, namespace, name)))
    throw wasUsed();
  const { batch, isNew } = await createUnlessKnown(deps, draft, name);
  if (!isNew) demandSameCount(batch, draft);
  return { batch, isCached: false };
}

/** The batch that holds the key, else a new one of the first generation that is free. */
async function createKeyed(deps: CreateBatchDeps, draft: Draft, key: string): Promise<BatchCreated> {
  const nameOf = (generation: number): string =>
    requestName(draft.namespace, "batch-key", key, ...(generation > 0 ? [String(generation)] : []));
  for (const { name } of generationsFrom(0, nameOf)) {
    const { batch, isNew } = await createUnlessKnown(deps, draft, name);
    if (isNew) return { batch, isCached: false };
    if (isKeyFree(batch, deps.clock())) continue;
    demandSameCount(batch, draft);
    // A batch that waits for items is not done: the call that has them sends them.
    return { batch, isCached: !takesItems(batch) };
  }
  throw new Problem(409, "idempotencyKey: used too often: choose another key");
}

interface Draft {
  namespace: string;
  annotations: Record<string, string>;
  spec: TaskBatch["spec"];
}

/** A key or token is mostly used again: then looking first spares a write. */
async function createUnlessKnown(
  deps: CreateBatchDeps,
  draft: Draft,
  name: string,
): Promise<{ batch: TaskBatch; isNew: boolean }> {
  const known = draft.annotations[keyTtlAnnotation] && (await findBatch(deps, draft.namespace, name));
  return known ? { batch: known, isNew: false } : createOrFindBatch(deps, draft, name);
}

/** Items can only be sent to a batch that was created for as many. */
function demandSameCount(batch: TaskBatch, { spec }: Draft): void {
  const { expectedCount } = batch.spec;
  if (!takesItems(batch) || expectedCount === spec.expectedCount) return;
  throw new Problem(
    422,
    `runCount: batch_${batch.metadata.name} was created for ${expectedCount} items and waits for them: send as many`,
  );
}

/** The batch of that name, live or retired. A new one that took a retired one's name does not count. */
export async function findBatch(
  { client, store }: { client: Pick<KubeClient, "get">; store: Stores<"get" | "list" | "unreadable"> },
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const live = await client.get(TaskBatches, namespace, name);
  if (live && (live.status?.sealedAt !== undefined || !live.metadata.annotations?.[keyTtlAnnotation]))
    return live;
  const retired = await readBatchHistory(store, namespace, name);
  return retired && (!live || retired.status?.phase !== "Aborted") ? retired : live;
}

function isKeyFree({ metadata, status }: TaskBatch, now: number): boolean {
  if (status?.phase === "Aborted") return true;
  const ttl = metadata.annotations?.[keyTtlAnnotation];
  return ttl !== undefined && Date.parse(metadata.creationTimestamp ?? "") + Number(ttl) * 1000 <= now;
}

async function createOrFindBatch(
  deps: CreateBatchDeps,
  { namespace, annotations, spec }: Draft,
  name: string,
): Promise<{ batch: TaskBatch; isNew: boolean }> {
  const { client, store } = deps;
  const labels = { [originLabel]: "api" };
  const metadata = { name, namespace, labels, annotations };
  const exists = async () => (await findBatch(deps, namespace, name)) !== undefined;
  await demandRoom(deps, namespace, spec.expectedCount ?? 1, exists);
  try {
    const object = { apiVersion, kind: "TaskBatch", metadata, spec };
    const batch = await client.create(TaskBatches, namespace, object);
    const retired = await readBatchHistory(store, namespace, name);
    if (!retired) return { batch, isNew: true };
    await client.delete(TaskBatches, namespace, name, { uid: batch.metadata.uid });
    return { batch: retired, isNew: false };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  const batch = await findBatch({ client, store }, namespace, name);
  if (!batch) throw new Problem(503, "The batch was deleted concurrently: retry");
  return { batch, isNew: false };
}
