/**
 * One TaskBatch, one step closer to its end. Level-triggered: what it knows comes from the cache of runs, and a look
 * at which nothing is to be done costs no request. Doing a step twice does nothing new.
 *
 *   (new), Receiving   wait for the items, look through them once     → batchIntake.ts
 *   Processing         create runs as room becomes free, count        → batchRuns.ts
 *   all have an end    write the results, finish                      → batchEnd.ts
 *   finished           remove it when its time is over                → batchEnd.ts
 */

import type { CachedOutcome, ItemOutcome } from "../../model/batch/item.ts";
import {
  type BatchPlan,
  formatRanges,
  type Halt,
  type ItemState,
  isBatchFinished,
  parseRanges,
  planBatch,
  stateOf,
} from "../../model/batch/plan.ts";
import type { TaskBatchStatus, TaskRun } from "../../model/resources.ts";
import { readSettled, writeSettled } from "../../storage/batchItems.ts";
import { type Deps, isoNow, keyOf, splitKey } from "../deps.ts";
import { type CachedBatch, summaryOf } from "./cache.ts";
import { receiveBatch, repeatsEarlier } from "./intake.ts";
import { followCachedRuns } from "./keyedRuns.ts";
import { finishBatch, removeBatch } from "./results.ts";
import { cancelRuns, createRuns, runsOf } from "./runs.ts";
import { type BatchDeps, writeBatchStatus, writeProgress } from "./status.ts";

/** Runs of others, which items with their keys wait for, do not bring the batch's key. */
const cachedRunsEveryMs = 5_000;
const errorLimit = 20;

export async function reconcileBatch(deps: BatchDeps, key: string): Promise<void> {
  const [namespace, name] = splitKey(key);
  let batch = deps.batches.get(namespace, name);
  if (!batch || batch.metadata.deletionTimestamp) return;
  if (isBatchFinished(batch)) return removeBatch(deps, batch);
  if (batch.status?.phase !== "Processing") {
    if (await repeatsEarlier(deps, batch)) return;
    if (batch.spec.cancelRequested) return cancelUnstarted(deps, batch);
    batch = await receiveBatch(deps, batch);
    if (batch?.status?.phase !== "Processing") return;
  }
  await processBatch(deps, batch);
}

/** A run made by a batch stays until the batch has its result. */
export function batchAllowsRetirement(deps: Pick<Deps, "batches">, run: TaskRun): boolean {
  const { namespace, ownerReferences } = run.metadata;
  const owner = ownerReferences?.find(({ kind }) => kind === "TaskBatch");
  const batch = owner && deps.batches.get(namespace, owner.name);
  return batch?.metadata.uid !== owner?.uid || !batch || isBatchFinished(batch);
}

async function processBatch(deps: BatchDeps, seen: CachedBatch): Promise<void> {
  let batch = seen;
  const { namespace } = batch.metadata;
  const halt = haltOf(batch);
  const cached = await cachedOutcomes(deps, batch, halt);
  let plan = look(deps, batch, cached, halt);
  if (halt === "Canceled") await cancelRuns(deps, batch);
  if (plan.room > 0) {
    const { outcomes, failure } = await createRuns(deps, batch, plan.create, plan.room);
    if (outcomes.length > 0) {
      const settled = await settle(deps, batch, outcomes);
      // Another state of the batch is on its way; what was settled is found again.
      if (!settled) return;
      batch = settled;
      for (const outcome of outcomes) if (outcome.kind === "cached") cached.set(outcome.index, outcome);
    }
    const before = plan.create.length;
    plan = look(deps, batch, cached, halt);
    if (plan.room > 0 && plan.create.length < before) deps.batchQueue.add(keyOf(batch));
    if (failure !== undefined) {
      await writeProgress(deps, batch, progressOf(deps, batch, plan));
      throw failure;
    }
  }
  if (plan.finished) return finishBatch(deps, batch, plan.counts, halt);
  if ([...cached.values()].some(({ phase }) => !phase)) {
    deps.batchQueue.addAt(`${namespace}/${batch.metadata.name}`, deps.clock() + cachedRunsEveryMs);
  }
  await writeProgress(deps, batch, progressOf(deps, batch, plan));
}

function haltOf(batch: CachedBatch): Halt | undefined {
  if (batch.spec.cancelRequested) return "Canceled";
  return summaryOf(batch).sha256 === batch.status?.itemsDigest ? undefined : "ItemsChanged";
}

/** Items that other runs stand for; a request or two only while there are any. */
async function cachedOutcomes(
  deps: BatchDeps,
  batch: CachedBatch,
  halt: Halt | undefined,
): Promise<Map<number, CachedOutcome>> {
  if (!batch.status?.settled?.cached) return new Map();
  const all = await readSettled(deps.store, batch.metadata);
  const cached = new Map<number, CachedOutcome>();
  for (const outcome of all.values()) if (outcome.kind === "cached") cached.set(outcome.index, outcome);
  if (halt !== "Canceled" && (await followCachedRuns(deps, batch.metadata.namespace, cached.values()))) {
    await writeSettled(deps.store, batch.metadata, all.values());
  }
  return cached;
}

/** What the cache of runs and the status know of each item. */
function look(
  deps: BatchDeps,
  batch: CachedBatch,
  cached: ReadonlyMap<number, CachedOutcome>,
  halt: Halt | undefined,
): BatchPlan {
  const { counts, settled } = batch.status ?? {};
  const states = Array.from<ItemState>({ length: counts?.total ?? 0 }).fill("missing");
  for (const index of parseRanges(settled?.rejected)) states[index] = "failed";
  for (const index of parseRanges(settled?.deleted)) states[index] = "canceled";
  for (const index of parseRanges(settled?.cached)) {
    const phase = cached.get(index)?.phase;
    states[index] = phase ? stateOf(phase) : "awaited";
  }
  for (const run of runsOf(deps, batch)) {
    const index = run.spec.batch?.index ?? -1;
    if (index in states) states[index] = stateOf(run.status?.phase);
  }
  return planBatch({ states, maxConcurrency: batch.spec.maxConcurrency, halt });
}

/** First the bucket, then the status: an item that only the bucket knows is tried again. */
async function settle(
  deps: BatchDeps,
  batch: CachedBatch,
  outcomes: readonly ItemOutcome[],
): Promise<CachedBatch | undefined> {
  const all = batch.status?.settled
    ? await readSettled(deps.store, batch.metadata)
    : new Map<number, ItemOutcome>();
  for (const outcome of outcomes) all.set(outcome.index, outcome);
  await writeSettled(deps.store, batch.metadata, all.values());
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

/** Canceled before its items were looked at: none of them gets a run. */
async function cancelUnstarted(deps: BatchDeps, batch: CachedBatch): Promise<void> {
  const total = summaryOf(batch).count ?? batch.spec.expectedCount ?? 0;
  const { counts } = planBatch({
    states: Array.from<ItemState>({ length: total }).fill("missing"),
    halt: "Canceled",
  });
  await finishBatch(deps, batch, counts, "Canceled");
}
