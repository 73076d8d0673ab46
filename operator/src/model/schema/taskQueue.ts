/**
 * TaskQueue: a named limit on how many runs execute at once. A queue exists as soon as a run or a Task names
 * it; its resource is created then, unless a user has applied one, which wins. What the API changes goes to
 * `status.override`.
 */
import { z } from "zod";
import { conditions, queueName, rules, text, time } from "./common.ts";

const limit = () => z.int().min(1).max(100_000);

export const taskQueueSpec = rules(
  z.object({
    name: queueName()
      .optional()
      .describe(
        "Name that runs call the queue by. Default: metadata.name. Names that a resource may not have go here.",
      ),
    concurrencyLimit: limit()
      .optional()
      .describe(
        "How many runs of the queue may execute at once; with a concurrencyKey, per key value. Default: no limit but the namespace's.",
      ),
    paused: z
      .boolean()
      .optional()
      .describe("Admits no run while true; what executes goes on. Default false."),
  }),
  {
    rule: "has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)",
    message: "name cannot change after the queue was created: create another TaskQueue",
    fieldPath: ".name",
    reason: "FieldValueForbidden",
  },
);

export const taskQueueStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  name: text(128).optional().describe("Name that runs call the queue by."),
  override: z
    .object({
      concurrencyLimit: limit().optional().describe("Used instead of spec.concurrencyLimit."),
      paused: z.boolean().optional().describe("Used instead of spec.paused."),
      at: time().optional().describe("When it was set."),
    })
    .optional()
    .describe("What the API set; wins over spec until it is reset."),
  concurrencyLimit: z.int().optional().describe("The limit in force; absent: none."),
  paused: z.boolean().optional().describe("Whether it is paused, by spec or override."),
  running: z.int().optional().describe("Runs that hold a slot. At most five seconds old."),
  queued: z.int().optional().describe("Runs that wait in it, those in backoff included."),
  idleSince: time()
    .optional()
    .describe(
      "Of a queue that was made for a trigger: since when no run has named it. It is deleted after 7 days.",
    ),
  conditions: conditions()
    .optional()
    .describe(
      "Admitting: False while admission is closed in the namespace, with the cause; absent until that was so.",
    ),
  oldestQueuedAt: time().optional().describe("When the run that waits the longest was enqueued."),
});

export type TaskQueueSpec = z.infer<typeof taskQueueSpec>;
export type TaskQueueStatus = z.infer<typeof taskQueueStatus>;
