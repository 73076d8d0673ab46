/**
 * CustomResourceDefinitions from the schemas: zod → JSON Schema → the structural subset that Kubernetes
 * takes. `npm run generate` writes them to crds/ and into the chart; `npm run verify` fails when they are
 * stale.
 */
import { z } from "zod";
import { group, version } from "../resources.ts";
import type { CelRule } from "./common.ts";
import { markNotYet } from "./notYet.ts";
import { taskSpec, taskStatus } from "./task.ts";
import { taskBatchSpec, taskBatchStatus } from "./taskBatch.ts";
import { taskQueueSpec, taskQueueStatus } from "./taskQueue.ts";
import { taskRunSpec, taskRunStatus } from "./taskRun.ts";
import { taskScheduleSpec, taskScheduleStatus } from "./taskSchedule.ts";
import { waitTokenSpec, waitTokenStatus } from "./waitToken.ts";

interface Column {
  name: string;
  type: "string" | "integer" | "boolean" | "date";
  jsonPath: string;
  priority?: number;
  description?: string;
}

interface Kind {
  kind: string;
  plural: string;
  shortName: string;
  description: string;
  spec: z.ZodType;
  status: z.ZodType;
  columns: Column[];
  selectable: string[];
  rules: CelRule[];
}

const nameLimit = (max: number, why: string): CelRule => ({
  rule: `self.metadata.name.size() <= ${max}`,
  message: `metadata.name is too long, at most ${max} characters are allowed: ${why}`,
});

const age: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

export const kinds: Kind[] = [
  {
    kind: "Task",
    plural: "tasks",
    shortName: "ftask",
    description: "A Task is code that can be triggered: an image with a module that defines it.",
    spec: taskSpec,
    status: taskStatus,
    columns: [
      { name: "Image", type: "string", jsonPath: ".spec.image" },
      { name: "Version", type: "string", jsonPath: ".status.version" },
      { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
      age,
      { name: "Id", type: "string", jsonPath: ".spec.id", priority: 1 },
    ],
    selectable: [".spec.id"],
    rules: [nameLimit(63, "it is a label of the task's pods")],
  },
  {
    kind: "TaskRun",
    plural: "taskruns",
    shortName: "frun",
    description: "A TaskRun is one run of a task or of any container. Each attempt is one Kubernetes Job.",
    spec: taskRunSpec,
    status: taskRunStatus,
    columns: [
      { name: "Task", type: "string", jsonPath: ".spec.task" },
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Attempt", type: "integer", jsonPath: ".status.attempt" },
      { name: "Reason", type: "string", jsonPath: ".status.reason" },
      age,
      { name: "Finished", type: "date", jsonPath: ".status.finishedAt", priority: 1 },
      { name: "Queue", type: "string", jsonPath: ".status.queue", priority: 1 },
      { name: "Message", type: "string", jsonPath: ".status.message", priority: 1 },
    ],
    selectable: [".spec.task", ".status.phase"],
    rules: [
      nameLimit(58, "the run's Job is called <name>-<attempt>"),
      {
        rule: "has(self.spec.delayUntil) == has(oldSelf.spec.delayUntil) && (!has(self.spec.delayUntil) || self.spec.delayUntil == oldSelf.spec.delayUntil) || !has(self.status) || !has(self.status.phase) || self.status.phase == 'Delayed'",
        message: "spec.delayUntil can change only while the run is Delayed",
      },
    ],
  },
  {
    kind: "TaskBatch",
    plural: "taskbatches",
    shortName: "fbatch",
    description: "A TaskBatch is up to 1,000 runs triggered as one.",
    spec: taskBatchSpec,
    status: taskBatchStatus,
    columns: [
      { name: "Phase", type: "string", jsonPath: ".status.phase" },
      { name: "Total", type: "integer", jsonPath: ".status.counts.total" },
      { name: "Running", type: "integer", jsonPath: ".status.counts.running" },
      { name: "Completed", type: "integer", jsonPath: ".status.counts.completed" },
      { name: "Failed", type: "integer", jsonPath: ".status.counts.failed" },
      age,
      { name: "Message", type: "string", jsonPath: ".status.message", priority: 1 },
    ],
    selectable: [".status.phase"],
    rules: [nameLimit(53, "its runs are called <name>-<index>")],
  },
  {
    kind: "TaskQueue",
    plural: "taskqueues",
    shortName: "fqueue",
    description: "A TaskQueue limits how many runs execute at once.",
    spec: taskQueueSpec,
    status: taskQueueStatus,
    columns: [
      { name: "Queue", type: "string", jsonPath: ".status.name" },
      { name: "Limit", type: "integer", jsonPath: ".status.concurrencyLimit" },
      { name: "Paused", type: "boolean", jsonPath: ".status.paused" },
      { name: "Running", type: "integer", jsonPath: ".status.running" },
      { name: "Queued", type: "integer", jsonPath: ".status.queued" },
      { name: "Oldest", type: "date", jsonPath: ".status.oldestQueuedAt" },
      age,
    ],
    selectable: [".spec.name"],
    rules: [],
  },
  {
    kind: "TaskSchedule",
    plural: "taskschedules",
    shortName: "fsched",
    description: "A TaskSchedule triggers a task at the times of a cron expression.",
    spec: taskScheduleSpec,
    status: taskScheduleStatus,
    columns: [
      { name: "Task", type: "string", jsonPath: ".spec.task" },
      { name: "Cron", type: "string", jsonPath: ".spec.cron" },
      { name: "Zone", type: "string", jsonPath: ".spec.timezone" },
      { name: "Active", type: "boolean", jsonPath: ".status.active" },
      { name: "Last", type: "date", jsonPath: ".status.lastScheduledAt" },
      { name: "Next", type: "string", jsonPath: ".status.nextScheduledAt" },
      age,
      { name: "Reason", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
      { name: "Missed", type: "integer", jsonPath: ".status.missed", priority: 1 },
      {
        name: "Message",
        type: "string",
        jsonPath: '.status.conditions[?(@.type=="Ready")].message',
        priority: 1,
      },
    ],
    selectable: [".spec.task"],
    rules: [nameLimit(47, "its runs are called <name>-<time of the tick>")],
  },
  {
    kind: "WaitToken",
    plural: "waittokens",
    shortName: "fwait",
    description: "A WaitToken is something from outside that runs wait for, such as an approval.",
    spec: waitTokenSpec,
    status: waitTokenStatus,
    columns: [
      { name: "State", type: "string", jsonPath: ".status.state" },
      { name: "Timeout", type: "string", jsonPath: ".spec.timeoutAt" },
      { name: "Completed", type: "date", jsonPath: ".status.completedAt" },
      age,
      { name: "Tags", type: "string", jsonPath: ".spec.tags", priority: 1 },
    ],
    selectable: [".status.state"],
    rules: [],
  },
];

type Json = { [key: string]: unknown };

/** Keys of JSON Schema that a structural schema may not hold or that say nothing there. */
const dropped = new Set(["$schema", "additionalProperties", "propertyNames", "$defs", "id"]);

function structural(node: Json): Json {
  const out: Json = {};
  for (const [key, value] of Object.entries(node)) {
    if (dropped.has(key)) continue;
    if (key === "properties") {
      out.properties = Object.fromEntries(
        Object.entries(value as Record<string, Json>).map(([name, child]) => [name, structural(child)]),
      );
    } else if (key === "items") out.items = structural(value as Json);
    else out[key] = value;
  }
  const map = node.additionalProperties;
  if (map && typeof map === "object" && Object.keys(map).length > 0)
    out.additionalProperties = structural(map as Json);
  if (out.type === "integer") {
    out.format = "int64";
    if (out.maximum === Number.MAX_SAFE_INTEGER) delete out.maximum;
    if (out.minimum === Number.MIN_SAFE_INTEGER) delete out.minimum;
  }
  // zod's pattern for times is long and the API server checks `date-time` itself.
  if (out.format === "date-time") delete out.pattern;
  return out;
}

function openApiSchema(schema: z.ZodType): Json {
  return structural(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json);
}

function partOf(kind: Kind, part: "spec" | "status"): Json {
  const schema = openApiSchema(kind[part]);
  markNotYet(kind.kind, part, schema.properties as object);
  return schema;
}

export function customResourceDefinition(kind: Kind): Json {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: [kind.shortName],
        categories: ["fairlead"],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          selectableFields: kind.selectable.map((jsonPath) => ({ jsonPath })),
          schema: {
            openAPIV3Schema: {
              type: "object",
              description: kind.description,
              required: ["spec"],
              properties: {
                apiVersion: { type: "string", description: "fairlead.dev/v1alpha1." },
                kind: { type: "string", description: `${kind.kind}.` },
                metadata: { type: "object" },
                spec: { description: "What is wanted.", ...partOf(kind, "spec") },
                status: { description: "What is, written by Fairlead.", ...partOf(kind, "status") },
              },
              ...(kind.rules.length > 0 ? { "x-kubernetes-validations": kind.rules } : {}),
            },
          },
        },
      ],
    },
  };
}
