/** The end of a batch: its results, its last status, and later its retirement. */
import { originLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import { at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { inParallel } from "../../lib/parallel.ts";
import { type BatchResult, type ItemOutcome, resultOf } from "../../model/batch/item.ts";
import { duplicateReason, endOfBatch } from "../../model/batch/phase.ts";
import type { BatchCounts, StopReason } from "../../model/batch/plan.ts";
import { TaskBatches } from "../../model/kinds.ts";
import type { TaskBatch } from "../../model/resources.ts";
import { writeBatchHistory } from "../../storage/batchHistory.ts";
import { readOutcomes, writeResults } from "../../storage/batchItems.ts";
import { isoNow } from "../deps.ts";
import type { CachedRun } from "../taskRun/cache.ts";
import { wholeRun } from "../taskRun/wholeRun.ts";
import type { CachedBatch } from "./cache.ts";
import { findCachedRun } from "./keyedRuns.ts";
import { runsOf } from "./runs.ts";
import { type BatchDeps, writeBatchStatus } from "./status.ts";

/** The results are in the bucket before the status says that the batch has ended. */
export async function finishBatch(
  deps: BatchDeps,
  batch: CachedBatch,
  counts: BatchCounts,
  stopReason: StopReason | undefined,
): Promise<void> {
  const results = await loadResults(deps, batch, counts.total, stopReason);
  const resultsRef = await writeResults(deps.store, batch.metadata, results);
  await writeBatchStatus(deps, batch, {
    ...endOfBatch(counts, stopReason),
    counts,
    createdThrough: counts.total,
    resultsRef,
    startedAt: batch.status?.startedAt ?? (counts.created > 0 ? isoNow(deps) : undefined),
    finishedAt: isoNow(deps),
  });
}

async function loadResults(
  deps: BatchDeps,
  batch: CachedBatch,
  total: number,
  stopReason: StopReason | undefined,
): Promise<BatchResult[]> {
  const { metadata, status } = batch;
  const outcomes = status?.settled
    ? await readOutcomes(deps.store, metadata)
    : new Map<number, ItemOutcome>();
  const runs = new Map<number, CachedRun>();
  for (const run of runsOf(deps, batch)) runs.set(run.spec.batch?.index ?? -1, run);
  const results: BatchResult[] = [];
  const indexes = Array.from({ length: total }, (_, index) => index);
  await inParallel(indexes.values(), 16, async (index) => {
    const cached = runs.get(index);
    const run = cached && ((await wholeRun(deps, cached, "status")) ?? cached);
    results[index] = run
      ? resultOf(index, run)
      : await loadResultWithoutRun(deps, batch, index, outcomes, stopReason);
  });
  return results;
}

async function loadResultWithoutRun(
  deps: BatchDeps,
  batch: CachedBatch,
  index: number,
  outcomes: ReadonlyMap<number, ItemOutcome>,
  stopReason: StopReason | undefined,
): Promise<BatchResult> {
  const outcome = outcomes.get(index);
  switch (outcome?.kind) {
    case "cached": {
      const { run, phase } = outcome;
      if (!phase) return { ...noRun(index, "Canceled", "The batch was canceled."), run, isCached: true };
      const found = await findCachedRun(deps, batch.metadata.namespace, outcome);
      const whole = found && ((await wholeRun(deps, found, "status")) ?? found);
      return whole ? resultOf(index, whole, true) : { index, run, phase, isCached: true };
    }
    case "rejected":
      return { index, phase: "Failed", error: { name: "InvalidItem", message: outcome.message } };
    case "deleted":
      return noRun(index, "Canceled", outcome.message);
  }
  if (stopReason === "ItemsChanged") {
    return noRun(index, "Failed", "The batch's items changed before this one got its run.", stopReason);
  }
  return noRun(index, "Canceled", "The batch was canceled before this item got its run.");
}

const noRun = (
  index: number,
  phase: "Failed" | "Canceled",
  message: string,
  name: string = phase,
): BatchResult => ({ index, phase, error: { name, message } });

/**
 * A finished batch is deleted `ttlSecondsAfterFinished` after its end, one that the API created after the
 * chart's retention time. Its runs were retired before. It is written to history first.
 */
export async function retireBatch(deps: BatchDeps, batch: CachedBatch): Promise<Requeue> {
  const { namespace, name, uid, resourceVersion, labels } = batch.metadata;
  const ofApi = labels?.[originLabel] === undefined ? undefined : deps.config.retentionSeconds;
  const seconds = batch.spec.ttlSecondsAfterFinished ?? ofApi;
  const { finishedAt } = batch.status ?? {};
  if (seconds === undefined || finishedAt === undefined) return done;
  const due = Date.parse(finishedAt) + seconds * 1000;
  if (deps.clock() < due) return at(due);
  // Each that is deleted brings the batch's key.
  if (runsOf(deps, batch).length > 0) return done;
  const live = await deps.client.get(TaskBatches, namespace, name);
  // The cache is behind: the change that it has not seen brings the key back.
  if (live?.metadata.uid !== uid || live?.metadata.resourceVersion !== resourceVersion) return done;
  if (isWorthKeeping(live)) await writeBatchHistory(deps.store, live);
  try {
    await deps.client.delete(TaskBatches, namespace, name, {
      propagationPolicy: "Background",
      uid,
      resourceVersion,
    });
  } catch (error) {
    if (!KubeError.is(error, "Conflict")) throw error;
  }
  return done;
}

/**
 * A duplicate has nothing of its own; an aborted batch is looked for only by a caller that has its id from
 * the API.
 */
const isWorthKeeping = ({ metadata, status }: TaskBatch): boolean =>
  status?.reason !== duplicateReason &&
  (status?.phase !== "Aborted" || metadata.labels?.[originLabel] !== undefined);
