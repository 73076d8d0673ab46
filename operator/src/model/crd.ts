/**
 * CustomResourceDefinitions from the schemas: zod → JSON Schema → the structural subset that Kubernetes takes.
 * `npm run generate` writes them to crds/ and into the chart; `npm run verify` fails when they are stale.
 */
import { z } from "zod";
import { group, version } from "./resources.ts";
import type { CelRule } from "./schema/common.ts";
import { taskSpec, taskStatus } from "./schema/task.ts";
import { taskRunSpec, taskRunStatus } from "./schema/taskRun.ts";

interface Column {
  name: string;
  type: "string" | "integer" | "date";
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
      { name: "Message", type: "string", jsonPath: ".status.message", priority: 1 },
    ],
    selectable: [".spec.task", ".status.phase"],
    rules: [nameLimit(58, "the run's Job is called <name>-<attempt>")],
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

export function openApiSchema(schema: z.ZodType): Json {
  return structural(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json);
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
                spec: { description: "What is wanted.", ...openApiSchema(kind.spec) },
                status: { description: "What is, written by Fairlead.", ...openApiSchema(kind.status) },
              },
              "x-kubernetes-validations": kind.rules,
            },
          },
        },
      ],
    },
  };
}
