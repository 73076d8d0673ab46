/**
 * TaskRun: one run of a task or of any container. Spec is what was asked for and does not change after creation,
 * except `cancelRequested`, `delayUntil`, `tags` and `metadata`; status is written through transition.ts only.
 */
import { maxPayloadDataBytes, yearSeconds } from "@fairlead/protocol/limits";
import { z } from "zod";
import {
  anyJson,
  type CelRule,
  conditions,
  envFromList,
  envList,
  listMap,
  machine,
  machineNames,
  openObject,
  podTemplate,
  queueRef,
  resourceName,
  retry,
  rules,
  seconds,
  taskId,
  text,
  time,
} from "./common.ts";
import { notYet } from "./notYet.ts";

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

const container = () =>
  z
    .object({
      image: text(512, 1).describe("Image to run, any language."),
      command: z.array(text(32_768)).max(64).optional().describe("Replaces the image's entry point."),
      args: z.array(text(32_768)).max(256).optional().describe("Arguments of the command."),
      workingDir: text(4096).optional().describe("Working directory. Default: the image's."),
      imagePullPolicy: z
        .enum(["Always", "IfNotPresent", "Never"])
        .optional()
        .describe("When to pull the image. Default IfNotPresent."),
      env: envList().optional(),
      envFrom: envFromList().optional(),
      resources: openObject(4).optional().describe("Requests and limits, as in a Pod; wins over machine."),
    })
    .describe(
      "Runs an image instead of a task. It reads FAIRLEAD_PAYLOAD (or FAIRLEAD_PAYLOAD_URL) and answers through its termination message or a PUT to FAIRLEAD_OUTPUT_URL.",
    );

/** What the last trigger of a debounced run decides, in trailing mode. */
const untilQueued = [
  "payloadData",
  "payloadType",
  "payloadRef",
  "maxAttempts",
  "maxDurationSeconds",
  "machine",
];

const immutable = [
  "task",
  "container",
  "queue",
  "concurrencyKey",
  "priority",
  "ttlSeconds",
  "idempotencyKey",
  "idempotencyKeyTTLSeconds",
  "idempotencyKeyGeneration",
  "retry",
  "startTimeoutSeconds",
  "podTemplate",
  "version",
  "parent",
  "batch",
  "schedule",
  "replayOf",
  "debounce",
  "test",
];

/** Without optionals, `self.?a == oldSelf.?a`: the API server takes these for too expensive. */
const same = (field: string): string =>
  `(has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field}))`;
const allSame = (fields: readonly string[]): string => fields.map(same).join(" && ");
const nameIfChanged = (field: string): string => `(${same(field)} ? '' : ' ${field}')`;

/**
 * One rule for all fields, which begins with the whole: rules are evaluated for every change of the status, too, and each
 * look at a field costs the API server about as much as the object has fields. A rule for each field took a quarter of
 * its time.
 */
const immutability: CelRule = {
  rule: `self == oldSelf || (${allSame(immutable)} && (has(oldSelf.debounce) || (${allSame(untilQueued)})))`,
  messageExpression: `'create another TaskRun, these fields cannot change after creation:' + ${[...immutable, ...untilQueued].map(nameIfChanged).join(" + ")}`,
  message: "only cancelRequested, delayUntil, tags and metadata may change: create another TaskRun",
  reason: "FieldValueForbidden",
};

const stringMap = (what: string) =>
  z.record(z.string(), text(256)).describe(what).meta({ maxProperties: 16 });

/** The fields of a TaskRun's spec; an item of a batch has most of them, too. */
export const taskRunFields = {
  task: taskId()
    .optional()
    .describe("Id of the Task to run, in the same namespace. Either this or container."),
  container: container().optional(),
  payload: anyJson()
    .optional()
    .describe("What the run gets, any JSON up to 256 KiB; larger ones go to object storage as payloadRef."),
  payloadData: text(maxPayloadDataBytes)
    .optional()
    .describe("The payload as exact text, for programs. Type in payloadType."),
  payloadType: text(64)
    .optional()
    .describe("Media type of payloadData or payloadRef. Default application/json."),
  payloadRef: z
    .object({
      key: text(1024, 1).describe("Object key of the payload in the bucket."),
      size: z.int().min(0).optional().describe("Size in bytes."),
      sha256: text(64, 64).optional().describe("SHA-256 of the object, in hex."),
    })
    .optional()
    .describe("A payload in object storage, up to 10 MB."),
  queue: queueRef().optional(),
  concurrencyKey: text(256, 1)
    .optional()
    .describe("Gives each value its own copy of the queue, with the queue's limit."),
  priority: z
    .int()
    .min(-yearSeconds)
    .max(yearSeconds)
    .optional()
    .describe("Seconds by which the run jumps ahead in its queue. Default 0."),
  delayUntil: time()
    .optional()
    .describe(
      "The run does not start before this time (RFC 3339). May change while Delayed. Default: at once.",
    ),
  ttlSeconds: seconds(0)
    .optional()
    .describe(
      "Seconds in the queue before the run is Expired, counted from enqueueing; 0 means forever. Default: the Task's.",
    ),
  idempotencyKey: text(2048, 1)
    .optional()
    .describe("Makes the trigger count once within the key's lifetime."),
  idempotencyKeyTTLSeconds: seconds(1)
    .optional()
    .describe("Lifetime of the key in seconds. Default 2592000 (30 days)."),
  idempotencyKeyGeneration: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe("How often the key was free again before; part of the run's name. Default 0."),
  maxAttempts: z
    .int()
    .min(1)
    .max(250)
    .optional()
    .describe("Attempts in all; wins over retry.maxAttempts and over the Task's."),
  retry: retry().optional(),
  maxDurationSeconds: seconds(5)
    .optional()
    .describe(
      "Seconds that one attempt may execute before it is stopped and the run is TimedOut. Default: the Task's, else the chart's maxDurationSeconds, 3600.",
    ),
  startTimeoutSeconds: seconds(1, 86_400)
    .optional()
    .describe(
      "Seconds from the Job's creation until the container runs before the attempt fails. Default: the Task's, else the chart's startTimeoutSeconds, 300.",
    ),
  machine: machine().optional(),
  podTemplate: podTemplate().optional(),
  version: text(64, 1)
    .optional()
    .describe("Version (content hash) of the Task to run. Default: the one at the first admission."),
  tags: z
    .array(text(128, 1))
    .max(10)
    .optional()
    .describe("Up to 10 tags to find the run by.")
    .meta({ "x-kubernetes-list-type": "set" }),
  metadata: anyJson().optional().describe("Any JSON object that travels with the run, up to 256 KiB."),
  parent: stringMap("Name of the run that triggered this one.").optional(),
  batch: z
    .object({
      name: resourceName().describe("Name of the TaskBatch."),
      index: z.int().min(0).describe("Index of the item."),
    })
    .optional()
    .describe("The batch that the run is part of."),
  schedule: z
    .object({
      name: resourceName().describe("Name of the TaskSchedule."),
      at: time().describe("The tick that the run is for."),
    })
    .optional()
    .describe("The schedule that triggered the run."),
  replayOf: resourceName().optional().describe("Name of the run that this one repeats."),
  debounce: z
    .object({
      key: text(512, 1).describe("The key; of a task's runs with the same one, one is delayed at a time."),
      delaySeconds: seconds(1).describe("Seconds that each trigger moves the start by."),
      mode: z
        .enum(["leading", "trailing"])
        .optional()
        .describe("Whose payload counts: the first trigger's (leading, the default) or the last one's."),
      maxDelaySeconds: seconds(1)
        .optional()
        .describe("Seconds after the first trigger beyond which the start is not moved. Default: no limit."),
      generation: z
        .int()
        .min(0)
        .optional()
        .describe("How many runs of the key there were before. Default 0."),
    })
    .optional()
    .describe(
      "Set by the API for a debounced trigger: later triggers with the key move the start of this run.",
    ),
  test: z.boolean().optional().describe("Marks a test run. Default false."),
  cancelRequested: z
    .boolean()
    .optional()
    .describe("Set to true to cancel the run; cannot be taken back. Default false."),
  ttlSecondsAfterFinished: seconds(0)
    .optional()
    .describe(
      "Seconds after which a finished run is removed; its history stays in the bucket, and applying it again settles from there. Default: never for an applied run.",
    ),
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
  ...notYet("TaskRun"),
);

const runError = z.object({
  name: text(256).describe("Class of the error."),
  message: text(1024).describe("What went wrong."),
  stack: text(8192).optional().describe("Stack trace, cut."),
  code: text(64).optional().describe("Machine-readable kind of error."),
});

const outputRef = z.object({
  key: text(1024).describe("Object key in the bucket."),
  size: z.int().describe("Size in bytes."),
  sha256: text(64).optional().describe("SHA-256 in hex."),
  type: text(64).describe("Media type."),
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
  startedAt: time().optional().describe("When its container began to run."),
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
});

export const taskRunStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  revision: z.int().optional().describe("Number of changes of this status."),
  phase: z.enum(phases).optional().describe("Where the run is in its life."),
  reason: text(128).optional().describe("Why it is in this phase, in one word."),
  message: text(1024).optional().describe("The same as a sentence."),
  attempt: z.int().optional().describe("Number of the current attempt; 0 before the first."),
  slot: z.int().optional().describe("Number of the last acquisition of a queue slot."),
  infrastructureRetries: z
    .int()
    .optional()
    .describe("Attempts lost to the infrastructure; not counted by maxAttempts."),
  version: text(64).optional().describe("Version of the Task that the run is pinned to."),
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
      at: time().describe("When the stop began."),
    })
    .optional()
    .describe("Why a Stopping run is stopped."),
  output: anyJson().optional().describe("Copy of the output, when it is JSON of at most 8 KiB."),
  outputRef: outputRef.optional().describe("The output in object storage."),
  error: runError.optional().describe("Why the run failed."),
  attempts: listMap(z.array(attempt).max(20), "number").optional().describe("The last 20 attempts."),
  metadata: anyJson().optional().describe("The run's metadata as the running code changed it."),
  conditions: conditions().optional(),
});

export type Phase = (typeof phases)[number];
export type TaskRunSpec = z.infer<typeof taskRunSpec>;
export type TaskRunStatus = z.infer<typeof taskRunStatus>;
export type Attempt = z.infer<typeof attempt>;
export type RunError = z.infer<typeof runError>;
export type OutputRef = z.infer<typeof outputRef>;
export type Container = NonNullable<TaskRunSpec["container"]>;
export type PodTemplate = NonNullable<TaskRunSpec["podTemplate"]>;
export type Retry = NonNullable<TaskRunSpec["retry"]>;
