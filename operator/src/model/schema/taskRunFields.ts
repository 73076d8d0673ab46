/**
 * The fields of a TaskRun's spec: what was asked for. An item of a batch has most of them, too. A new field
 * also needs a row in model/run/triggerFields.ts; the compiler asks for it.
 */
import { maxPayloadDataBytes, yearSeconds } from "@fairlead/protocol/limits";
import { z } from "zod";
import {
  anyJson,
  envFromList,
  envList,
  machine,
  mediaType,
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
      "Runs an image instead of a task. It GETs its payload at FAIRLEAD_PAYLOAD_URL, and answers through its termination message or a PUT to FAIRLEAD_OUTPUT_URL; both with the content of FAIRLEAD_TOKEN_FILE as bearer token.",
    );

export const parentRun = () =>
  z.object({
    name: resourceName().describe("Its name."),
    uid: text(64, 1).describe("Its UID."),
    waits: z
      .boolean()
      .optional()
      .describe("It waits for this run, which then executes the version of the code that it does."),
  });

export const taskRunFields = {
  task: taskId()
    .optional()
    .describe("Id of the Task to run, in the same namespace. Either this or container."),
  container: container().optional(),
  payload: anyJson()
    // Without it the API server drops a null, and the run has no payload.
    .meta({ nullable: true })
    .optional()
    .describe("What the run gets, any JSON up to 256 KiB; larger ones go to object storage as payloadRef."),
  payloadData: text(maxPayloadDataBytes)
    .optional()
    .describe("The payload as exact text, for programs. Type in payloadType."),
  payloadType: mediaType()
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
  delayUntil: rules(time(), {
    // The format date-time lets an offset of 99 hours pass; reading it does not.
    rule: "self.getFullYear() >= 0",
    message: "must be a time with its zone, such as 2030-12-24T18:00:00Z",
  })
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
  metadata: anyJson()
    .meta({ type: "object" })
    .optional()
    .describe("Any JSON object that travels with the run, up to 256 KiB."),
  parent: parentRun().optional().describe("The run whose code triggered this one; it is canceled with it."),
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

const spec = z.object(taskRunFields);

export type TaskRunSpec = z.infer<typeof spec>;
export type Container = NonNullable<TaskRunSpec["container"]>;
export type PodTemplate = NonNullable<TaskRunSpec["podTemplate"]>;
export type Retry = NonNullable<TaskRunSpec["retry"]>;
