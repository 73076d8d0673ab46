/**
 * Task: code that can be triggered. A TaskRun names it by `spec.id`; what a run executes is pinned at its
 * first admission in a ControllerRevision (controller/task/taskVersions.ts), so editing a Task never changes
 * a run under way.
 */
import { maxCodeParts, maxDependencyParts, sha256Pattern } from "@fairlead/protocol/bundle";
import { z } from "zod";
import { accessScope, mostAccessScopes } from "../run/accessNote.ts";
import {
  conditions,
  guardedFields,
  largerMachine,
  machine,
  openObject,
  podTemplate,
  queueRef,
  retry,
  rules,
  seconds,
  taskId,
  text,
} from "./common.ts";
import { notYet } from "./notYet.ts";
import { cronExpression, timezone } from "./taskSchedule.ts";

const bundleParts = (max: number) => z.array(z.string().regex(sha256Pattern)).min(1).max(max);

export const taskSpec = rules(
  z.object({
    id: taskId()
      .optional()
      .describe(
        "The id that code triggers. Default: metadata.name. Ids that a resource name may not hold go here.",
      ),
    image: text(512, 1)
      .optional()
      .describe("Container image with the runner and the task's code, built on the runtime image."),
    bundle: z
      .object({
        code: bundleParts(maxCodeParts).describe(
          "SHA-256, in hex, of each part of the archive with the code.",
        ),
        dependencies: bundleParts(maxDependencyParts)
          .optional()
          .describe("SHA-256, in hex, of each part of the archive with packages that cannot be bundled."),
      })
      .optional()
      .describe("Code in object storage, below ns/<namespace>/bundles/, run on the chart's runtime image."),
    entry: text(256, 1)
      .optional()
      .describe(
        "Path of the module that defines the task: in the image (default /app/tasks.mjs), or in the bundle.",
      ),
    podTemplate: podTemplate().optional(),
    allowOverrides: z
      .array(z.enum(guardedFields))
      .max(guardedFields.length)
      .optional()
      .describe(
        "Fields of podTemplate that a TaskRun may set besides nodeSelector, tolerations, affinity, resources and terminationGracePeriodSeconds. Default: none.",
      ),
    machine: machine().optional(),
    queue: queueRef().optional(),
    retry: retry().optional(),
    maxDurationSeconds: seconds(5)
      .optional()
      .describe(
        "Seconds that one attempt may execute before it is stopped and the run is TimedOut. Default: the chart's maxDurationSeconds, 3600.",
      ),
    ttlSeconds: seconds(0)
      .optional()
      .describe("Seconds that a run may wait in its queue before it is Expired; 0 means forever. Default 0."),
    startTimeoutSeconds: seconds(1, 86_400)
      .optional()
      .describe(
        "Seconds from the Job's creation until the container runs (scheduling, image pull) before the attempt fails. Default: the chart's startTimeoutSeconds, 300.",
      ),
    warm: z
      .object({
        min: z.int().min(0).max(1000).optional().describe("Jobs kept started ahead. Default 0."),
        max: z.int().min(0).max(1000).optional().describe("Upper bound of Jobs started ahead. Default: min."),
      })
      .optional()
      .describe("Jobs started ahead of their runs."),
    schedule: z
      .object({
        cron: cronExpression(),
        timezone: timezone().optional(),
      })
      .optional()
      .describe("Triggers the task on a schedule."),
    access: z
      .array(
        text(256).regex(
          accessScope,
          "use scopes such as read:runs, trigger:tasks:mail, batchTrigger:tasks, write:runs, read:all",
        ),
      )
      .max(mostAccessScopes)
      .optional()
      .describe(
        "What the task's code may do at the API, in its own namespace: scopes such as read:runs or trigger:tasks:mail. Default: everything but variables and keys. Empty: nothing.",
      ),
    payloadSchema: openObject().optional().describe("JSON Schema that payloads must match."),
  }),
  {
    rule: "has(self.image) != has(self.bundle)",
    message: "set exactly one of spec.image (an image built on the runtime image) and spec.bundle",
  },
  {
    rule: "!has(self.bundle) || has(self.entry)",
    message: "set spec.entry: the path in the bundle of the module that defines the task",
    fieldPath: ".entry",
    reason: "FieldValueRequired",
  },
  largerMachine("(has(self.podTemplate) && has(self.podTemplate.resources))", "true"),
  ...notYet("Task"),
);

export const taskStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  version: text(64).optional().describe("Content hash of what a run started now would execute."),
  conditions: conditions().optional(),
  warm: z
    .object({
      ready: z.int().describe("Warm Jobs ready to take a run."),
      target: z.int().describe("Warm Jobs wanted."),
    })
    .optional()
    .describe("State of the warm pool."),
});

export type TaskSpec = z.infer<typeof taskSpec>;
export type TaskStatus = z.infer<typeof taskStatus>;
