/**
 * One batch for a call: by its key, else by the client's request, so that a call that is sent again finds what it made.
 *
 * The batch's name is made from either; the API server lets one call create it. A batch that went is found in the bucket:
 * it became history before it went, so a call that could create the batch anew, and looks afterwards, sees it. Such a new
 * one is taken away again; nobody but its maker ever saw it as theirs. When the maker dies in between, whoever comes next
 * finds the one that went (`findBatch`), and the new one ends for lack of items.
 *
 * A key is free again when its batch was aborted, and after its time, counted from the batch's creation.
 */
import { keyTtlAnnotation, originLabel } from "@fairlead/protocol/labels";
import { maxKeyGenerations } from "@fairlead/protocol/limits";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { isBatchFinished } from "../../model/batch/plan.ts";
import { newName } from "../../model/ids.ts";
import { defaultKeySeconds } from "../../model/keys/idempotency.ts";
import { TaskBatches } from "../../model/kinds.ts";
import { apiVersion, type TaskBatch } from "../../model/resources.ts";
import { readBatchHistory } from "../../storage/batchHistory.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import type { Caller } from "../auth/auth.ts";
import { Problem } from "../http/problem.ts";
import { requestName } from "../runs/createRun.ts";

export interface CreateBatchDeps {
  client: Pick<KubeClient, "create" | "delete" | "get">;
  store: Pick<ObjectStore, "get" | "list">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export interface WantedBatch {
  runCount: number;
  /** The client's id of this call. */
  call?: string;
  idempotencyKey?: string;
  keyTtlSeconds?: number;
  maxConcurrency?: number;
  resumeParentOnCompletion?: boolean;
}

/** Whether the batch waits for items. */
export const takesItems = (batch: TaskBatch): boolean =>
  batch.status?.sealedAt === undefined && !isBatchFinished(batch);

export async function createBatch(
  deps: CreateBatchDeps,
  { namespace, oneTime }: Caller,
  { runCount, call, idempotencyKey, keyTtlSeconds, maxConcurrency, resumeParentOnCompletion }: WantedBatch,
): Promise<{ batch: TaskBatch; isCached: boolean }> {
  if (resumeParentOnCompletion) {
    throw new Problem(422, "resumeParentOnCompletion: waiting for a batch is not supported by Fairlead yet");
  }
  if (oneTime !== undefined && idempotencyKey !== undefined)
    throw new Problem(422, "idempotencyKey: not with a token for one use, which makes one batch anyway");
  const isKeyed = idempotencyKey !== undefined;
  const id = oneTime ?? call;
  const first = isKeyed
    ? requestName(namespace, "batch-key", idempotencyKey)
    : id
      ? requestName(namespace, "batch", id)
      : newName();
  const ttl = keyTtlSeconds ?? defaultKeySeconds;
  const annotations = isKeyed || oneTime !== undefined ? { [keyTtlAnnotation]: String(ttl) } : undefined;
  const spec = { expectedCount: runCount, maxConcurrency };
  for (let generation = 0, name = first; generation < maxKeyGenerations; ) {
    // Mostly it is there, or went, and nothing is to be written.
    const known = annotations && (await findBatch(deps, namespace, name));
    const made = known ? { batch: known } : await makeOrFind(deps, namespace, name, { annotations, spec });
    if (made.isNew) return { batch: made.batch, isCached: false };
    const { batch } = made;
    if (isKeyed && isFree(batch, deps.clock())) {
      name = requestName(namespace, "batch-key", idempotencyKey, String(++generation));
      continue;
    }
    // One whose items never came is not there yet: whoever has them sends them.
    const isWaiting = takesItems(batch);
    if (isWaiting && batch.spec.expectedCount !== runCount) {
      throw new Problem(
        422,
        `batch_${name} was made for ${batch.spec.expectedCount} items and waits for them: they are not ${runCount}`,
      );
    }
    return { batch, isCached: isKeyed && !isWaiting };
  }
  throw new Problem(409, "idempotencyKey: used too often, choose another one");
}

/** The batch of that name, or the one that went; one that was made in the place of it does not count. */
export async function findBatch(
  { client, store }: Pick<CreateBatchDeps, "client" | "store">,
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const live = await client.get(TaskBatches, namespace, name);
  if (live && (live.status?.sealedAt !== undefined || !live.metadata.annotations?.[keyTtlAnnotation]))
    return live;
  const went = await readBatchHistory(store, namespace, name);
  return went && (!live || went.status?.phase !== "Aborted") ? went : live;
}

function isFree({ metadata, status }: TaskBatch, now: number): boolean {
  if (status?.phase === "Aborted") return true;
  const ttl = metadata.annotations?.[keyTtlAnnotation];
  return ttl !== undefined && Date.parse(metadata.creationTimestamp ?? "") + Number(ttl) * 1000 <= now;
}

async function makeOrFind(
  { client, store }: CreateBatchDeps,
  namespace: string,
  name: string,
  { annotations, spec }: { annotations: Record<string, string> | undefined; spec: TaskBatch["spec"] },
): Promise<{ batch: TaskBatch; isNew?: boolean }> {
  const labels = { [originLabel]: "api" };
  const metadata = { name, namespace, labels, annotations };
  try {
    const object = { apiVersion, kind: "TaskBatch", metadata, spec };
    const batch = await client.create(TaskBatches, namespace, object);
    const went = await readBatchHistory(store, namespace, name);
    if (!went) return { batch, isNew: true };
    await client.delete(TaskBatches, namespace, name, { uid: batch.metadata.uid });
    return { batch: went };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  const batch = await findBatch({ client, store }, namespace, name);
  if (!batch) throw new Problem(503, "The batch went away in this moment: try again");
  return { batch };
}
