/** Writes of a TaskBatch's status: compare-and-swap, and the counts at most every two seconds. */
import { isDeepStrictEqual } from "node:util";
import { KubeError } from "../../kube/client/client.ts";
import { withBatchConditions } from "../../model/batch/plan.ts";
import { TaskBatches } from "../../model/kinds.ts";
import type { TaskBatch, TaskBatchStatus } from "../../model/resources.ts";
import { type Deps, isoNow, keyOf } from "../deps.ts";
import { type CachedBatch, withoutItems } from "./cache.ts";

export type BatchDeps = Pick<
  Deps,
  "client" | "runs" | "batches" | "queue" | "batchQueue" | "store" | "config" | "clock" | "log"
>;

const countEveryMs = 2_000;

/** The written batch; undefined when there is a newer one, which brings its key back, or none any more. */
export async function writeBatchStatus(
  deps: BatchDeps,
  batch: CachedBatch,
  change: TaskBatchStatus,
): Promise<CachedBatch | undefined> {
  const { apiVersion, kind, metadata } = batch;
  const { name, namespace, uid, resourceVersion } = metadata;
  const now = isoNow(deps);
  const next = { ...batch.status, ...change, observedGeneration: metadata.generation, countedAt: now };
  const status = withBatchConditions(next, now);
  const body = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, status };
  try {
    const answer = await deps.client.replace(TaskBatches, namespace, name, body as TaskBatch, {
      subresource: "status",
    });
    const written = withoutItems(answer);
    deps.batches.upsertFromWrite(written);
    return written;
  } catch (error) {
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
    return undefined;
  }
}

/** Writes how far the batch is, unless that is written already or was written a moment ago: then a little later. */
export async function writeProgress(
  deps: BatchDeps,
  batch: CachedBatch,
  change: TaskBatchStatus,
): Promise<void> {
  const before = batch.status ?? {};
  if (isDeepStrictEqual({ ...before, ...change }, before)) return;
  const notBefore = before.countedAt ? Date.parse(before.countedAt) + countEveryMs : 0;
  if (notBefore > deps.clock()) deps.batchQueue.addAt(keyOf(batch), notBefore);
  else await writeBatchStatus(deps, batch, change);
}
