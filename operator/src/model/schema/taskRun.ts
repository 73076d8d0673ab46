/**
 * TaskRun: one run of a task or of any container. Spec is what was asked for (taskRunFields.ts) and does not
 * change after creation, except `cancelRequested`, `delayUntil`, `tags` and `metadata`; status is written
 * through transition.ts only.
 */
import { machineNames } from "@fairlead/protocol/machines";
import { errorLimits } from "@fairlead/protocol/report";
import { z } from "zod";
import { immutableFields, untilQueuedFields } from "../run/triggerFields.ts";
import {
  anyJson,
  type CelRule,
  conditions,
  largerMachine,
  listMap,
  maxMediaTypeLength,
  rules,
  text,
  time,
} from "./common.ts";
import { notYet } from "./notYet.ts";
import { taskRunFields } from "./taskRunFields.ts";

export const phases = [
  "Delayed",
  "Queued",
  "Starting",
  "Executing",
  "Waiting",
  "Stopping",
  "Completed",
  "Canceled",
  "Expired",
  "Failed",
  "Crashed",
  "TimedOut",
  "SystemFailure",
] as const;

/** Not with optionals (`self.?a == oldSelf.?a`): the API server estimates these as too expensive. */
const same = (field: string): string =>
  `(has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field}))`;
const allSame = (fields: readonly string[]): string => fields.map(same).join(" && ");
const nameIfChanged = (field: string): string => `(${same(field)} ? '' : ' ${field}')`;

/**
 * One rule for all fields, which compares the whole first: rules are evaluated for changes of the status,
 * too, and each field that a rule reads costs the API server about as much as the object has fields. One rule
 * for each field took a quarter of the API server's time.
 */
const immutability: CelRule = {
  rule: `self == oldSelf || (${allSame(immutableFields)} && (has(oldSelf.debounce) || (${allSame(untilQueuedFields)})))`,
  messageExpression: `'create another TaskRun, these fields cannot change after creation:' + ${[...immutableFields, ...untilQueuedFields].map(nameIfChanged).join(" + ")}`,
  message: "only cancelRequested, delayUntil, tags and metadata may change: create another TaskRun",
  reason: "FieldValueForbidden",
};

export const taskRunSpec = rules(
  z.object(taskRunFields),
  {
    rule: "has(self.task) != has(self.container)",
    message: "set exactly one of spec.task (the id of a Task) and spec.container (an image to run)",
  },
  {
    rule: "!(has(self.payloadData) && has(self.payloadRef))",
    message: "set at most one of spec.payload, spec.payloadData and spec.payloadRef",
  },
  {
    rule: "!has(oldSelf.cancelRequested) || !oldSelf.cancelRequested || (has(self.cancelRequested) && self.cancelRequested)",
    message: "cancelRequested cannot be taken back: create another TaskRun",
    fieldPath: ".cancelRequested",
  },
  immutability,
  largerMachine(
    "(has(self.podTemplate) && has(self.podTemplate.resources)) || (has(self.container) && has(self.container.resources))",
    "has(self.container)",
  ),
  ...notYet("TaskRun"),
);

const runError = z.object({
  name: text(errorLimits.name).describe("Class of the error."),
  message: text(errorLimits.message).describe("What went wrong."),
  stack: text(errorLimits.stack).optional().describe("Stack trace, cut."),
  code: text(64).optional().describe("Machine-readable kind of error."),
});

const outputRef = z.object({
  key: text(1024).describe("Object key in the bucket."),
  size: z.int().describe("Size in bytes."),
  sha256: text(64).optional().describe("SHA-256 in hex."),
  type: text(maxMediaTypeLength).describe("Media type."),
});

const attempt = z.object({
  number: z.int().describe("1 for the first attempt."),
  job: text(63).describe("Name of the attempt's Job."),
  pod: text(253).optional().describe("Name of its pod."),
  podUid: text(64).optional().describe("UID of its pod."),
  node: text(253).optional().describe("Node that it ran on."),
  slot: z.int().describe("Number of the queue slot's acquisition."),
  machine: z.enum(machineNames).optional().describe("Machine preset, when a retry raised it."),
  admittedAt: time().describe("When the attempt got its slot."),
  startedAt: time().optional().describe("When its container began to run, by the node's clock."),
  observedAt: time()
    .optional()
    .describe("When its start was observed, by Fairlead's clock; maxDurationSeconds counts from here."),
  resumedAt: time().optional().describe("When it went on after its last wait."),
  activeMs: z
    .int()
    .optional()
    .describe("Milliseconds that it executed before its last wait; maxDurationSeconds counts these on."),
  finishedAt: time().optional().describe("When its outcome was known."),
  outcome: z
    .enum(["Completed", "Failed", "Crashed", "TimedOut", "Canceled", "Infrastructure"])
    .optional()
    .describe(
      "How it ended. Infrastructure: the node or the pod was taken away; it is retried apart from maxAttempts.",
    ),
  exitCode: z.int().optional().describe("Exit code of the container."),
  error: runError.optional().describe("Why it failed."),
  captured: z.boolean().optional().describe("True once its log is in the bucket, or is known to be gone."),
  logKey: text(1024).optional().describe("Object key of its log."),
  logNote: text(512).optional().describe("What is missing from its log, and why."),
});

export const taskRunStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  revision: z.int().optional().describe("Number of changes of this status."),
  phase: z.enum(phases).optional().describe("Where the run is in its life."),
  reason: text(128).optional().describe("Why it is in this phase, in one word."),
  message: text(1024).optional().describe("The same as a sentence."),
  since: time().optional().describe("Since when it is in this phase for this reason."),
  waiting: z
    .object({
      queue: text(128).describe("Name of the queue that it waits in."),
      limit: z
        .int()
        .optional()
        .describe("Limit of the queue, of each of its keys, or of the namespace, as the reason says."),
      running: z.int().optional().describe("Runs that hold a slot of those that this limit counts."),
      place: z.int().optional().describe("Place among the runs of its queue and key; rounded above ten."),
      queued: z.int().optional().describe("Runs of its queue and key that wait; rounded above ten."),
      at: time().describe("When this was written. The API answers with the numbers of the moment."),
    })
    .optional()
    .describe("Of a run that waits for a slot: the numbers behind reason and message."),
  wait: z
    .object({
      since: time().describe("When it gave its slot back."),
      resumeAskedAt: time().optional().describe("When what it waited for was there: it takes a slot again."),
    })
    .optional()
    .describe("Of a run that waits for other runs, a time or a token: it has no slot, and keeps its pod."),
  attempt: z.int().optional().describe("Number of the current attempt; 0 before the first."),
  slot: z.int().optional().describe("Number of the last acquisition of a queue slot."),
  roomRetries: z
    .int()
    .optional()
    .describe(
      "How often it gave its slot back because its pod found no room, on a node or in a quota. These are no attempts.",
    ),
  infrastructureRetries: z
    .int()
    .optional()
    .describe("Attempts lost to the infrastructure; not counted by maxAttempts."),
  version: text(64).optional().describe("Version of the Task that the run is pinned to."),
  controllerRevision: text(253)
    .optional()
    .describe(
      "Name of the ControllerRevision that holds this version; it stays as long as the run needs it.",
    ),
  payloadDigest: text(64)
    .optional()
    .describe("SHA-256 of the payload as it was accepted; of a debounced run, as it was queued."),
  queue: text(128).optional().describe("Name of the queue that it is in, fixed at its first admission."),
  machine: z
    .enum(machineNames)
    .optional()
    .describe("Machine preset that an out-of-memory retry raised it to."),
  duplicateOf: z
    .object({
      name: text(63).describe("Name of the run that ran."),
      uid: text(64).describe("Its UID."),
    })
    .optional()
    .describe("The earlier run of the same key or name, whose result this one has: it did not run itself."),
  queuedAt: time().optional().describe("When it entered its queue."),
  startedAt: time().optional().describe("When its first attempt began to run."),
  finishedAt: time().optional().describe("When it reached its terminal phase."),
  nextAttemptAt: time().optional().describe("When a run in backoff is tried again."),
  stop: z
    .object({
      intent: z
        .enum(["Canceled", "TimedOut", "Failed"])
        .describe("Phase to end in once the container is gone."),
      reason: text(128).describe("Why it is stopped."),
      message: text(1024).describe("The same as a sentence."),
      retry: z
        .enum(["policy", "never", "infrastructure", "room"])
        .optional()
        .describe(
          "After an attempt that could not start: whether another one follows. Default policy. room: it waits in its queue, and the attempt does not count.",
        ),
      at: time().describe("When the stop began."),
    })
    .optional()
    .describe("Why a Stopping run is stopped."),
  output: anyJson()
    .optional()
    .describe(
      "Copy of the output, when it is JSON of at most 8 KiB. What JSON lacks (dates, big integers, NaN, circular references) is text or null here; the object in outputRef has it.",
    ),
  outputRef: outputRef.optional().describe("The output in object storage."),
  error: runError.optional().describe("Why the run failed."),
  attempts: listMap(z.array(attempt).max(20), "number").optional().describe("The last 20 attempts."),
  conditions: conditions().optional(),
});

export type Phase = (typeof phases)[number];
export type TaskRunStatus = z.infer<typeof taskRunStatus>;
export type Attempt = z.infer<typeof attempt>;
export type RunError = z.infer<typeof runError>;
export type OutputRef = z.infer<typeof outputRef>;
