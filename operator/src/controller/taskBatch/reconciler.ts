/**
 * One TaskBatch, one step closer to its end. Level-triggered: what it knows comes from the cache of runs, and
 * a reconciliation that has nothing to do sends no request. Doing a step twice does nothing new.
 *
 *   (new), Receiving   wait for the items, validate them once         → intake.ts
 *   Processing         create runs as room becomes free, count        → runs.ts, keyedRuns.ts
 *   all have an end    write the results, finish                      → results.ts
 *   finished           retire it when its time is over                → results.ts
 */
import { again, at, done, earliest, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import type { CachedOutcome, ItemOutcome } from "../../model/batch/item.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import {
  type BatchPlan,
  type ItemState,
  itemStateOf,
  planBatch,
  type StopReason,
} from "../../model/batch/plan.ts";
import { formatRanges, parseRanges } from "../../model/batch/ranges.ts";
import type { TaskBatchStatus } from "../../model/resources.ts";
import { readOutcomes, writeOutcomes } from "../../storage/batchItems.ts";
import { isoNow } from "../deps.ts";
import { canceledWith } from "../taskRun/parents.ts";
import { type CachedBatch, summaryOf } from "./cache.ts";
import { receiveBatch, repeatsRetired } from "./intake.ts";
import { followCachedRuns } from "./keyedRuns.ts";
import { finishBatch, retireBatch } from "./results.ts";
import { cancelRuns, createRuns, runsOf } from "./runs.ts";
import { type BatchDeps, writeBatchStatus, writeProgress } from "./status.ts";

/** Runs that are not of this batch, but have an item's idempotency key, do not bring the batch's key. */
const cachedRunsEveryMs = 5_000;
const errorLimit = 20;

export async function reconcileTaskBatch(deps: BatchDeps, key: string): Promise<Requeue> {
  const [namespace, name] = splitKey(key);
  const batch = deps.batches.get(namespace, name);
  if (!batch || batch.metadata.deletionTimestamp) return done;
  if (isBatchFinished(batch)) return retireBatch(deps, batch);
  if (batch.status?.phase === "Processing") return processBatch(deps, batch);
  if (await repeatsRetired(deps, batch)) return done;
  if (isCancelRequested(deps, batch)) {
    await cancelUnstarted(deps, batch);
    return done;
  }
  const received = await receiveBatch(deps, batch);
  if ("at" in received) return received;
  return received.status?.phase === "Processing" ? processBatch(deps, received) : done;
}

async function processBatch(deps: BatchDeps, seen: CachedBatch): Promise<Requeue> {
  let batch = seen;
  const stopReason = stopReasonOf(deps, batch);
  const cached = await loadCachedOutcomes(deps, batch, stopReason);
  let plan = planOf(deps, batch, cached, stopReason);
  let next = done;
  if (stopReason === "Canceled") await cancelRuns(deps, batch);
  if (plan.room > 0) {
    const { outcomes, failure } = await createRuns(deps, batch, plan.create, plan.room);
    if (outcomes.length > 0) {
      const settled = await recordOutcomes(deps, batch, outcomes);
      // The batch has changed, which brings its key back; what was settled is found again.
      if (!settled) return done;
      batch = settled;
      for (const outcome of outcomes) if (outcome.kind === "cached") cached.set(outcome.index, outcome);
    }
    const before = plan.create.length;
    plan = planOf(deps, batch, cached, stopReason);
    if (plan.room > 0 && plan.create.length < before) next = again;
    if (failure !== undefined) {
      await writeProgress(deps, batch, progressOf(deps, batch, plan));
      throw failure;
    }
  }
  if (plan.finished) {
    await finishBatch(deps, batch, plan.counts, stopReason);
    return done;
  }
  if ([...cached.values()].some(({ phase }) => !phase)) {
    next = earliest(next, at(deps.clock() + cachedRunsEveryMs));
  }
  return earliest(next, await writeProgress(deps, batch, progressOf(deps, batch, plan)));
}

/** By a user, or with the run whose code made it. */
const isCancelRequested = (deps: BatchDeps, batch: CachedBatch): boolean =>
  batch.spec.cancelRequested === true || canceledWith(deps, batch) !== undefined;

function stopReasonOf(deps: BatchDeps, batch: CachedBatch): StopReason | undefined {
  if (isCancelRequested(deps, batch)) return "Canceled";
  return summaryOf(batch).sha256 === batch.status?.itemsDigest ? undefined : "ItemsChanged";
}

/** The items whose idempotency key another run has. Costs a request or two only while there are any. */
async function loadCachedOutcomes(
  deps: BatchDeps,
  batch: CachedBatch,
  stopReason: StopReason | undefined,
): Promise<Map<number, CachedOutcome>> {
  if (!batch.status?.settled?.cached) return new Map();
  const all = await readOutcomes(deps.store, batch.metadata);
  const cached = new Map<number, CachedOutcome>();
  for (const outcome of all.values()) if (outcome.kind === "cached") cached.set(outcome.index, outcome);
  if (
    stopReason !== "Canceled" &&
    (await followCachedRuns(deps, batch.metadata.namespace, cached.values()))
  ) {
    await writeOutcomes(deps.store, batch.metadata, all.values());
  }
  return cached;
}

/** From what the cache of runs and the status know of each item. */
function planOf(
  deps: BatchDeps,
  batch: CachedBatch,
  cached: ReadonlyMap<number, CachedOutcome>,
  stopReason: StopReason | undefined,
): BatchPlan {
  const { counts, settled } = batch.status ?? {};
  const states = Array.from<ItemState>({ length: counts?.total ?? 0 }).fill("missing");
  for (const index of parseRanges(settled?.rejected)) states[index] = "failed";
  for (const index of parseRanges(settled?.deleted)) states[index] = "canceled";
  for (const index of parseRanges(settled?.cached)) {
    const phase = cached.get(index)?.phase;
    states[index] = phase ? itemStateOf(phase) : "cached";
  }
  for (const run of runsOf(deps, batch)) {
    const index = run.spec.batch?.index ?? -1;
    if (index in states) states[index] = itemStateOf(run.status?.phase);
  }
  return planBatch({ states, maxConcurrency: batch.spec.maxConcurrency, stopReason });
}

/** First the bucket, then the status: an item that only the bucket knows is tried again. */
async function recordOutcomes(
  deps: BatchDeps,
  batch: CachedBatch,
  outcomes: readonly ItemOutcome[],
): Promise<CachedBatch | undefined> {
  const all = batch.status?.settled
    ? await readOutcomes(deps.store, batch.metadata)
    : new Map<number, ItemOutcome>();
  for (const outcome of outcomes) all.set(outcome.index, outcome);
  await writeOutcomes(deps.store, batch.metadata, all.values());
  const of = (kind: ItemOutcome["kind"]) =>
    formatRanges([...all.values()].filter((outcome) => outcome.kind === kind).map(({ index }) => index));
  const errors = [...all.values()]
    .flatMap((outcome) =>
      outcome.kind === "rejected" ? { index: outcome.index, message: outcome.message } : [],
    )
    .sort((a, b) => a.index - b.index)
    .slice(0, errorLimit);
  return writeBatchStatus(deps, batch, {
    settled: { rejected: of("rejected"), deleted: of("deleted"), cached: of("cached") },
    ...(errors.length > 0 ? { errors } : {}),
  });
}

function progressOf(deps: BatchDeps, batch: CachedBatch, plan: BatchPlan): TaskBatchStatus {
  const { counts, createdThrough } = plan;
  const startedAt = batch.status?.startedAt ?? (counts.created > 0 ? isoNow(deps) : undefined);
  return { counts, createdThrough, ...(startedAt ? { startedAt } : {}) };
}

/** Canceled before its items were validated: none of them gets a run. */
async function cancelUnstarted(deps: BatchDeps, batch: CachedBatch): Promise<void> {
  const total = summaryOf(batch).count ?? batch.spec.expectedCount ?? 0;
  const { counts } = planBatch({
    states: Array.from<ItemState>({ length: total }).fill("missing"),
    stopReason: "Canceled",
  });
  await finishBatch(deps, batch, counts, "Canceled");
}
