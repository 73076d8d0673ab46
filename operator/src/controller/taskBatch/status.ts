/** Writes of a TaskBatch's status: compare-and-swap, and the counts at most every two seconds. */
import { isDeepStrictEqual } from "node:util";
import { at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { replaceStatus } from "../../kube/status.ts";
import { withBatchConditions } from "../../model/batch/phase.ts";
import { TaskBatches } from "../../model/kinds.ts";
import type { TaskBatchStatus } from "../../model/resources.ts";
import { type Deps, isoNow } from "../deps.ts";
import { type CachedBatch, withoutItems } from "./cache.ts";

export interface BatchDeps extends Pick<Deps, "client" | "runs" | "batches" | "store" | "clock"> {
  config: Pick<Deps["config"], "retentionSeconds">;
}

const countEveryMs = 2_000;

/** The written batch; undefined when it has changed, which brings its key back, or was deleted. */
export async function writeBatchStatus(
  deps: BatchDeps,
  batch: CachedBatch,
  change: TaskBatchStatus,
): Promise<CachedBatch | undefined> {
  const now = isoNow(deps);
  const { generation } = batch.metadata;
  const next = { ...batch.status, ...change, observedGeneration: generation, countedAt: now };
  const status = withBatchConditions(next, now);
  const written = await replaceStatus(deps.client, deps.batches, TaskBatches, batch, status);
  return written && withoutItems(written);
}

/** Writes how far the batch is, unless the status says so already. Soon after the last write: later. */
export async function writeProgress(
  deps: BatchDeps,
  batch: CachedBatch,
  change: TaskBatchStatus,
): Promise<Requeue> {
  const before = batch.status ?? {};
  if (isDeepStrictEqual({ ...before, ...change }, before)) return done;
  const notBefore = before.countedAt ? Date.parse(before.countedAt) + countEveryMs : 0;
  if (notBefore > deps.clock()) return at(notBefore);
  await writeBatchStatus(deps, batch, change);
  return done;
}
