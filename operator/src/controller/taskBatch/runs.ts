/**
 * Creates the runs of a batch, and cancels them.
 *
 * A pass reads the items that it needs from the API server or the bucket, and keeps none. Doing it again is
 * harmless: a run's name is derived from its item, so a run that exists is found and no second one is
 * created. An item of which no run can be created is recorded in the batch's `settled` object, and the others
 * go on.
 */
import { batchLabel } from "@fairlead/protocol/labels";
import { maxPayloadDataBytes } from "@fairlead/protocol/limits";
import { KubeError } from "../../kube/client/client.ts";
import { inParallel } from "../../lib/parallel.ts";
import {
  batchRun,
  batchRunName,
  hasPayload,
  type ItemOutcome,
  inlinePayload,
  isRunOf,
  itemProblem,
  withDefaults,
} from "../../model/batch/item.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import { TaskBatches, TaskRuns } from "../../model/kinds.ts";
import type { BatchItem, TaskBatch } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import { summarize } from "../../runs/payloadText.ts";
import { batchPayloadKey, type IndexedItem, readItems } from "../../storage/batchItems.ts";
import { type CachedRun, toCachedRun } from "../taskRun/cache.ts";
import { type CachedBatch, summarizeItems } from "./cache.ts";
import { createItemRun, createKeyedRun } from "./keyedRuns.ts";
import type { BatchDeps } from "./status.ts";

const atOnce = 32;
/** Runs that one pass creates before the progress is written. */
const passLimit = 250;

interface Pass {
  outcomes: ItemOutcome[];
  /** What ended the pass early; to be thrown once the outcomes are recorded. */
  failure?: unknown;
}

/** Gives the first `room` of these items their runs. */
export async function createRuns(
  deps: BatchDeps,
  batch: CachedBatch,
  create: readonly number[],
  room: number,
): Promise<Pass> {
  const { namespace, name, uid } = batch.metadata;
  const live = await deps.client.get(TaskBatches, namespace, name);
  // The batch is being deleted, or was changed: the change brings its key back.
  if (live?.metadata.uid !== uid || live.metadata.deletionTimestamp) return { outcomes: [] };
  if (isBatchFinished(live) || live.spec.cancelRequested) return { outcomes: [] };
  if (summarizeItems(live.spec).sha256 !== batch.status?.itemsDigest) return { outcomes: [] };
  const outcomes = await findDeletedRuns(deps, batch, create);
  const settled = indexesOfRuns(deps, batch);
  for (const { index } of outcomes) settled.add(index);
  const wanted = new Set(create.filter((index) => !settled.has(index)));
  let left = Math.min(room, passLimit);
  const createNext = async (item: IndexedItem): Promise<void> => {
    const outcome = await createRunOf(deps, live, item);
    if (!outcome) return;
    outcomes.push(outcome);
    left += 1;
  };
  try {
    await inParallel(readItems(deps.store, live, wanted), atOnce, createNext, () => left-- > 0);
    return { outcomes };
  } catch (failure) {
    return { outcomes, failure };
  }
}

/**
 * Items whose run was created once and does not exist any more: the user who deleted it does not want it
 * again.
 */
async function findDeletedRuns(
  deps: BatchDeps,
  batch: CachedBatch,
  create: readonly number[],
): Promise<ItemOutcome[]> {
  const { namespace, name } = batch.metadata;
  const created = batch.status?.createdThrough ?? 0;
  const suspects = create.filter((index) => index < created);
  if (suspects.length === 0) return [];
  for await (const run of deps.client.listAll(TaskRuns, namespace, {
    labelSelector: `${batchLabel}=${name}`,
  })) {
    deps.runs.upsertFromWrite(toCachedRun(run));
  }
  const existing = indexesOfRuns(deps, batch);
  return suspects
    .filter((index) => !existing.has(index))
    .map((index) => ({ index, kind: "deleted", message: "The item's TaskRun was deleted." }));
}

export const runsOf = (deps: BatchDeps, batch: CachedBatch): CachedRun[] =>
  deps.runs
    .byIndex("batch", `${batch.metadata.namespace}/${batch.metadata.name}`)
    .filter((run) => isRunOf(batch, run));

const indexesOfRuns = (deps: BatchDeps, batch: CachedBatch): Set<number> =>
  new Set(runsOf(deps, batch).flatMap(({ spec }) => spec.batch?.index ?? []));

/** Undefined when the item has its run. */
async function createRunOf(
  deps: BatchDeps,
  batch: TaskBatch,
  { index, item, problem }: IndexedItem,
): Promise<ItemOutcome | undefined> {
  const reject = (message: string): ItemOutcome => ({
    index,
    kind: "rejected",
    message: message.slice(0, 512),
  });
  const invalid = problem ?? itemProblem(item);
  if (item === undefined || invalid !== undefined) return reject(invalid ?? "the item is missing");
  const whole = await withStoredPayload(deps, batch, index, item);
  try {
    if (whole.idempotencyKey !== undefined) {
      return await createKeyedRun(deps, batch, index, whole, whole.idempotencyKey);
    }
    const name = batchRunName(batch.metadata.name, index);
    const run = await createItemRun(deps, batchRun(batch, index, whole, name));
    if (isRunOf(batch, run)) return undefined;
    if (run.metadata.ownerReferences?.some(({ kind }) => kind === batch.kind)) {
      throw new Error(`TaskRun ${name} of an earlier batch with the same name still exists`);
    }
    return reject(
      `TaskRun ${name} exists and does not belong to this batch: delete it, or give the batch another name.`,
    );
  } catch (error) {
    if (error instanceof KubeError && [400, 413, 422].includes(error.status))
      return reject(sentenceOf(error));
    throw error;
  }
}

/** The item with its defaults, and its payload in the bucket when it is long. */
async function withStoredPayload(
  deps: BatchDeps,
  batch: TaskBatch,
  index: number,
  item: BatchItem,
): Promise<BatchItem> {
  const whole = withDefaults(item, batch.spec.defaults);
  const text = inlinePayload(whole);
  if (text === undefined || Buffer.byteLength(text) <= maxPayloadDataBytes || whole.payloadRef) return whole;
  const key = batchPayloadKey(batch.metadata, hasPayload(item) ? index : "defaults");
  await deps.store
    .of(batch.metadata.namespace)
    .put(key, text, { type: whole.payloadType ?? "application/json" });
  const { payload: _payload, payloadData: _data, ...rest } = whole;
  const { bytes, sha256 } = summarize(text);
  return { ...rest, payloadRef: { key, size: bytes, sha256 } };
}

/** The API server's message without the request. */
const sentenceOf = (error: KubeError): string => error.message.replace(/^\S+ \S+: (\d+ )?\w+: /, "");

/** Asks every unfinished run of the batch to end. */
export async function cancelRuns(deps: BatchDeps, batch: CachedBatch): Promise<void> {
  const open = runsOf(deps, batch).filter((run) => !isFinished(run) && !run.spec.cancelRequested);
  await inParallel(open.values(), atOnce, async ({ metadata: { namespace, name, uid } }) => {
    try {
      const patch = { metadata: { uid }, spec: { cancelRequested: true } };
      const written = await deps.client.patch(TaskRuns, namespace, name, patch, { type: "merge" });
      deps.runs.upsertFromWrite(toCachedRun(written));
    } catch (error) {
      // Deleted, or another one has its name.
      if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
    }
  });
}
