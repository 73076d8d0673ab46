/**
 * A batch until its runs are created: waits for the seal of one whose items are received in two phases, and looks
 * through the items once, when they are complete. What is wrong with the batch as a whole ends it as Aborted.
 */

import { originLabel } from "@fairlead/protocol/labels";
import { maxBatchItems, maxPayloadBytes } from "@fairlead/protocol/limits";
import { payloadBytes } from "../../model/batch/item.ts";
import { duplicate } from "../../model/batch/plan.ts";
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
import { isoNow, keyOf } from "../deps.ts";
import { type CachedBatch, summarizeItems, summaryOf } from "./cache.ts";
import { type BatchDeps, writeBatchStatus } from "./status.ts";

/** How long a batch waits for its items. */
export const unsealedLimitMs = 3600 * 1000;

/**
 * Whether the batch repeats one of its name that went: it has what that one had then, and has ended. Asked before anything
 * else, of an applied one that says how long it stays: a GitOps tool applies it again when it is gone.
 */
export async function repeatsEarlier(deps: BatchDeps, batch: CachedBatch): Promise<boolean> {
  const { spec, metadata, status } = batch;
  const isOfApi = metadata.labels?.[originLabel] !== undefined;
  if (status?.phase !== undefined || isOfApi || spec.ttlSecondsAfterFinished === undefined) return false;
  const went = await readBatchHistory(deps.store, metadata.namespace, metadata.name);
  if (!went?.status || went.status.phase === "Aborted") return false;
  const { phase, counts, createdThrough, errors, resultsRef, startedAt, finishedAt } = went.status;
  await writeBatchStatus(deps, batch, {
    ...{ phase, counts, createdThrough, errors, resultsRef, startedAt },
    reason: duplicate,
    message: `A batch of this name ended at ${finishedAt} (uid ${went.metadata.uid}): these are its results. To run items again, give the batch another name.`,
    finishedAt: isoNow(deps),
  });
  return true;
}

/** The batch once it is Processing or Aborted; undefined while it waits. */
export async function receiveBatch(deps: BatchDeps, batch: CachedBatch): Promise<CachedBatch | undefined> {
  const { metadata, status } = batch;
  if (summaryOf(batch).source !== "staged" || status?.sealedAt) return takeUp(deps, batch);
  const deadline = Date.parse(metadata.creationTimestamp ?? "") + unsealedLimitMs;
  if (deps.clock() >= deadline) {
    return writeBatchStatus(deps, batch, {
      ...aborted("NotSealed", "Not all items were received within an hour of the batch's creation."),
      finishedAt: isoNow(deps),
    });
  }
  deps.batchQueue.addAt(keyOf(batch), deadline);
  if (status?.phase === undefined) {
    await writeBatchStatus(deps, batch, {
      phase: "Receiving",
      reason: "Receiving",
      message: `The batch waits until its ${batch.spec.expectedCount} items are received.`,
    });
  }
  return undefined;
}

async function takeUp(deps: BatchDeps, batch: CachedBatch): Promise<CachedBatch | undefined> {
  const { namespace, name, uid } = batch.metadata;
  const live = await deps.client.get(TaskBatches, namespace, name);
  // Another one, or another state of it, brings its key back.
  if (live?.metadata.uid !== uid) return undefined;
  const digest = summarizeItems(live.spec).sha256;
  if (digest !== summaryOf(batch).sha256) return undefined;
  const found = await lookThrough(deps, live);
  if ("reason" in found) {
    return writeBatchStatus(deps, batch, {
      ...aborted(found.reason, found.message),
      finishedAt: isoNow(deps),
    });
  }
  const { total } = found;
  return writeBatchStatus(deps, batch, {
    phase: "Processing",
    reason: "Processing",
    message: "The runs are created and awaited.",
    itemsDigest: digest,
    counts: { total, created: 0, running: 0, completed: 0, failed: 0, canceled: 0 },
    createdThrough: 0,
  });
}

const aborted = (reason: string, message: string) => ({ phase: "Aborted" as const, reason, message });

type Found = { total: number } | { reason: string; message: string };

async function lookThrough(deps: BatchDeps, batch: TaskBatch): Promise<Found> {
  const { itemsRef, items, expectedCount, defaults } = batch.spec;
  const field = items ? "spec.items" : itemsRef ? "spec.itemsRef" : "the received items";
  let source: AsyncIterable<IndexedItem> | Iterable<IndexedItem> = readItems(deps.store, batch);
  if (itemsRef) {
    const got = await deps.store.get(itemsRef.key, { maxBytes: batchSourceLimit + 1 });
    if (!got) {
      return { reason: "ItemsNotFound", message: `spec.itemsRef.key: there is no object ${itemsRef.key}.` };
    }
    if (got.body.length > batchSourceLimit) {
      return {
        reason: "ItemsTooLarge",
        message: `spec.itemsRef: the object has more than ${batchSourceLimit} bytes, which is the limit for all items of a batch.`,
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
      message: `${field}: the payloads have ${bytes} bytes in all, a batch has at most ${maxPayloadBytes}.`,
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

const tooMany = (field: string, count: number): Found => ({
  reason: "TooManyItems",
  message: `${field}: there are ${count} items, a batch has at most ${maxBatchItems}.`,
});
