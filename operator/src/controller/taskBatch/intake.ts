/**
 * A batch until its runs are created: waits for the seal of one whose items are received in two phases, and
 * validates the items once, when they are complete. What is wrong with the batch as a whole ends it as
 * Aborted.
 */

import { isUtf8 } from "node:buffer";
import { originLabel } from "@fairlead/protocol/labels";
import { maxBatchItems, maxPayloadBytes } from "@fairlead/protocol/limits";
import { at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { payloadBytes } from "../../model/batch/item.ts";
import { duplicateReason } from "../../model/batch/phase.ts";
import { ownKeyProblem } from "../../model/keys/objectKey.ts";
import { TaskBatches } from "../../model/kinds.ts";
import type { TaskBatch } from "../../model/resources.ts";
import { readBatchHistory } from "../../storage/batchHistory.ts";
import {
  batchSourceLimit,
  copyToChunks,
  type IndexedItem,
  linesIn,
  parseItem,
  readItems,
} from "../../storage/batchItems.ts";
import { isoNow } from "../deps.ts";
import { type CachedBatch, summarizeItems, summaryOf } from "./cache.ts";
import { type BatchDeps, writeBatchStatus } from "./status.ts";

/** How long a batch waits for its items. */
const unsealedLimitMs = 3600 * 1000;

/**
 * Whether the batch repeats a retired one of its name. Then it gets what that one had, and has ended. Asked
 * first, and only of an applied batch that says how long it stays: a GitOps tool applies it again when it was
 * retired.
 */
export async function repeatsRetired(deps: BatchDeps, batch: CachedBatch): Promise<boolean> {
  const { spec, metadata, status } = batch;
  const isOfApi = metadata.labels?.[originLabel] !== undefined;
  if (status?.phase !== undefined || isOfApi || spec.ttlSecondsAfterFinished === undefined) return false;
  const retired = await readBatchHistory(deps.store, metadata.namespace, metadata.name);
  if (!retired?.status || retired.status.phase === "Aborted") return false;
  const { phase, counts, createdThrough, errors, resultsRef, startedAt, finishedAt } = retired.status;
  await writeBatchStatus(deps, batch, {
    phase,
    counts,
    createdThrough,
    errors,
    resultsRef,
    startedAt,
    reason: duplicateReason,
    message: `A batch of this name ended at ${finishedAt} (uid ${retired.metadata.uid}): these are its results. To run items again, give the batch another name.`,
    finishedAt: isoNow(deps),
  });
  return true;
}

/** The batch once it is Processing or Aborted; otherwise when to look again. */
export async function receiveBatch(deps: BatchDeps, batch: CachedBatch): Promise<CachedBatch | Requeue> {
  const { metadata, status } = batch;
  if (summaryOf(batch).source !== "staged" || status?.sealedAt)
    return (await startProcessing(deps, batch)) ?? done;
  const deadline = Date.parse(metadata.creationTimestamp ?? "") + unsealedLimitMs;
  if (deps.clock() >= deadline) {
    const message = "Not all items were received within an hour of the batch's creation.";
    return (await abort(deps, batch, "NotSealed", message)) ?? done;
  }
  if (status?.phase === undefined) {
    await writeBatchStatus(deps, batch, {
      phase: "Receiving",
      reason: "Receiving",
      message: `The batch waits until its ${batch.spec.expectedCount} items are received.`,
    });
  }
  return at(deadline);
}

async function startProcessing(deps: BatchDeps, batch: CachedBatch): Promise<CachedBatch | undefined> {
  const { namespace, name, uid } = batch.metadata;
  const live = await deps.client.get(TaskBatches, namespace, name);
  // The cache is behind: the change that it has not seen brings the key back.
  if (live?.metadata.uid !== uid) return undefined;
  const digest = summarizeItems(live.spec).sha256;
  if (digest !== summaryOf(batch).sha256) return undefined;
  const found = await validateItems(deps, live);
  if ("reason" in found) return abort(deps, batch, found.reason, found.message);
  const { total } = found;
  return writeBatchStatus(deps, batch, {
    phase: "Processing",
    reason: "Processing",
    message: "The runs are created, and the batch waits for them.",
    itemsDigest: digest,
    counts: { total, created: 0, running: 0, completed: 0, failed: 0, canceled: 0 },
    createdThrough: 0,
  });
}

const abort = (deps: BatchDeps, batch: CachedBatch, reason: string, message: string) =>
  writeBatchStatus(deps, batch, { phase: "Aborted", reason, message, finishedAt: isoNow(deps) });

type Validated = { total: number } | { reason: string; message: string };

async function validateItems(deps: BatchDeps, batch: TaskBatch): Promise<Validated> {
  const { itemsRef, items, expectedCount, defaults } = batch.spec;
  const field = items ? "spec.items" : itemsRef ? "spec.itemsRef" : "the received items";
  let source: AsyncIterable<IndexedItem> | Iterable<IndexedItem> = readItems(deps.store, batch);
  if (itemsRef) {
    const foreign = ownKeyProblem(batch.metadata.namespace, itemsRef.key);
    if (foreign) return { reason: "InvalidItems", message: `spec.itemsRef.key: ${itemsRef.key} ${foreign}.` };
    const got = await deps.store
      .of(batch.metadata.namespace)
      .get(itemsRef.key, { maxBytes: batchSourceLimit + 1 });
    if (!got) {
      return {
        reason: "ItemsNotFound",
        message: `spec.itemsRef.key: the bucket has no object ${itemsRef.key}.`,
      };
    }
    if (got.body.length > batchSourceLimit) {
      return {
        reason: "ItemsTooLarge",
        message: `spec.itemsRef: the object has more than ${batchSourceLimit} bytes; all items of a batch may have at most that.`,
      };
    }
    if (!isUtf8(got.body)) {
      return {
        reason: "InvalidItems",
        message: "spec.itemsRef: the object is not valid UTF-8: write one JSON object per line, in UTF-8.",
      };
    }
    const lines = linesIn(got.body);
    if (lines.length > maxBatchItems) return tooMany(field, lines.length);
    await copyToChunks(deps.store, batch.metadata, lines);
    source = lines.map((line, index) => parseItem(index, line));
  }
  let total = 0;
  let bytes = defaults ? payloadBytes(defaults) : 0;
  for await (const { item } of source) {
    total += 1;
    if (item) bytes += payloadBytes(item);
  }
  if (total > maxBatchItems) return tooMany(field, total);
  if (bytes > maxPayloadBytes) {
    return {
      reason: "PayloadTooLarge",
      message: `${field}: the payloads have ${bytes} bytes in all; a batch may have at most ${maxPayloadBytes}.`,
    };
  }
  if (expectedCount !== undefined && total !== expectedCount) {
    return {
      reason: "ItemsIncomplete",
      message: `${field}: there are ${total} items, but spec.expectedCount is ${expectedCount}.`,
    };
  }
  return { total };
}

const tooMany = (field: string, count: number): Validated => ({
  reason: "TooManyItems",
  message: `${field}: there are ${count} items; a batch may have at most ${maxBatchItems}.`,
});
