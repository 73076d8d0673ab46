/**
 * TaskBatch: up to 1,000 runs triggered as one. Items are inline, in one object of the bucket, or staged
 * there by the API before the batch is sealed. Results per item go to the bucket; status holds counts only.
 */
import { maxBatchItems, maxPayloadBytes, yearSeconds } from "@fairlead/protocol/limits";
import { z } from "zod";
import { conditions, listMap, rules, text, time } from "./common.ts";
import { parentRun, taskRunFields } from "./taskRunFields.ts";

const batchPhases = ["Receiving", "Processing", "Completed", "PartiallyFailed", "Aborted"] as const;

/** What an item may set: all that a TaskRun may, but for what the batch or the run's end decides. */
export const batchItem = z.object(taskRunFields).omit({
  cancelRequested: true,
  ttlSecondsAfterFinished: true,
  parent: true,
  batch: true,
  schedule: true,
  replayOf: true,
  debounce: true,
});

export const taskBatchSpec = rules(
  z.object({
    items: z
      .array(batchItem.describe("One run."))
      .max(maxBatchItems)
      .optional()
      .describe("The runs, inline; together at most what the API server takes (about 1 MB)."),
    itemsRef: z
      .object({
        key: text(1024, 1).describe("Object key in the bucket: one JSON object per line, an item each."),
        size: z.int().min(0).max(maxPayloadBytes).optional().describe("Size in bytes."),
      })
      .optional()
      .describe("The runs, in object storage."),
    expectedCount: z
      .int()
      .min(1)
      .max(maxBatchItems)
      .optional()
      .describe("How many items there will be; needed when they are received later (two phases)."),
    defaults: batchItem.optional().describe("What each item gets that does not say otherwise."),
    maxConcurrency: z
      .int()
      .min(1)
      .max(maxBatchItems)
      .optional()
      .describe(
        "How many runs of the batch may be unfinished at once; never raises a queue's limit. Default: no limit but the queues'.",
      ),
    parent: parentRun()
      .optional()
      .describe("The run whose code made the batch; its runs are canceled with it."),
    cancelRequested: z
      .boolean()
      .optional()
      .describe("Set to true to cancel every run of the batch; cannot be taken back. Default false."),
    ttlSecondsAfterFinished: z
      .int()
      .min(0)
      .max(yearSeconds)
      .optional()
      .describe("Seconds after which a finished batch is removed with its runs. Default: never."),
  }),
  {
    rule: "!(has(self.items) && has(self.itemsRef))",
    message: "set at most one of spec.items and spec.itemsRef",
  },
  {
    rule: "has(self.items) || has(self.itemsRef) || has(self.expectedCount)",
    message: "set spec.items, spec.itemsRef, or spec.expectedCount of a batch whose items are received later",
  },
  {
    rule: "!has(oldSelf.cancelRequested) || !oldSelf.cancelRequested || (has(self.cancelRequested) && self.cancelRequested)",
    message: "cancelRequested cannot be taken back: create another TaskBatch",
    fieldPath: ".cancelRequested",
  },
);

const indexes = (what: string) => text(4096).optional().describe(what);

export const taskBatchStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  phase: z.enum(batchPhases).optional().describe("Where the batch is in its life."),
  reason: text(128).optional().describe("Why it is in this phase, in one word."),
  message: text(1024).optional().describe("The same as a sentence."),
  sealedAt: time().optional().describe("When the last item was received: from then on runs are created."),
  itemsDigest: text(64)
    .optional()
    .describe("SHA-256 of spec.items, itemsRef and defaults as they were when processing began."),
  counts: z
    .object({
      total: z.int().describe("Items."),
      created: z.int().describe("Items whose run was created, or could not be."),
      running: z.int().describe("Runs that have not finished."),
      completed: z.int().describe("Runs that completed."),
      failed: z.int().describe("Runs that ended otherwise, and items that no run could be made of."),
      canceled: z.int().describe("Runs that were canceled, and items canceled before they had a run."),
    })
    .optional()
    .describe("How far it is; at most two seconds old."),
  countedAt: time().optional().describe("When the counts were taken."),
  createdThrough: z.int().optional().describe("Items below this index have, or had, their run."),
  settled: z
    .object({
      rejected: indexes("No run could be made of them."),
      deleted: indexes("Their runs were deleted by hand."),
      cached: indexes("A run with their idempotency key was there already; it counts as theirs."),
    })
    .optional()
    .describe("Items that get no run of this batch, as ranges of indexes such as 3,7-9."),
  errors: listMap(
    z
      .array(
        z.object({
          index: z.int().describe("Index of the item."),
          message: text(512).describe("What is wrong with it."),
        }),
      )
      .max(20),
    "index",
  )
    .optional()
    .describe("The first 20 items that no run could be made of; all of them are in the results."),
  resultsRef: z
    .object({
      key: text(1024).describe("Object key in the bucket: one JSON object per line, a result per item."),
      size: z.int().describe("Size in bytes."),
    })
    .optional()
    .describe("What became of each item, once the batch has finished."),
  startedAt: time().optional().describe("When its first run was created."),
  finishedAt: time().optional().describe("When its last run had finished."),
  conditions: conditions().optional(),
});

export type BatchPhase = (typeof batchPhases)[number];
export type BatchItem = z.infer<typeof batchItem>;
export type TaskBatchSpec = z.infer<typeof taskBatchSpec>;
export type TaskBatchStatus = z.infer<typeof taskBatchStatus>;
