/**
 * Building blocks of the resource schemas.
 *
 * A schema here is the single source of three things: the TypeScript type (z.infer), the validation of what
 * enters through the API (parse), and the CustomResourceDefinition (crd.ts turns it into a structural
 * schema). Every field is described with its unit and default, every list and string has a bound.
 */
import { idPattern, maxIdLength } from "@fairlead/protocol/ids";
import { yearSeconds } from "@fairlead/protocol/limits";
import { type MachineName, machineNames } from "@fairlead/protocol/machines";
import { z } from "zod";

/** A CEL rule of the CRD; `message` says what the user has to change. */
export interface CelRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  fieldPath?: string;
  reason?: "FieldValueInvalid" | "FieldValueForbidden" | "FieldValueRequired" | "FieldValueDuplicate";
}

/** Attaches CEL rules to a schema; crd.ts copies them. */
export function rules<T extends z.ZodType>(schema: T, ...list: CelRule[]): T {
  return schema.meta({ ...schema.meta(), "x-kubernetes-validations": list }) as T;
}

/** Marks an array of objects as a map with these keys, so that server-side apply merges by key. */
export function listMap<T extends z.ZodType>(schema: T, ...keys: string[]): T {
  return schema.meta({
    ...schema.meta(),
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
  }) as T;
}

/** Any JSON value; the API server keeps it as it is. */
export const anyJson = () => z.unknown().meta({ "x-kubernetes-preserve-unknown-fields": true });

/** A JSON object whose fields are not described here (a piece of another API's schema). */
export const openObject = (maxProperties = 64) =>
  z
    .record(z.string(), z.unknown())
    .meta({ "x-kubernetes-preserve-unknown-fields": true, type: "object", maxProperties });

export const text = (max: number, min = 0) => z.string().min(min).max(max);

/** A media type: what an HTTP header can carry. */
export const mediaType = () =>
  text(maxMediaTypeLength, 1).regex(
    /^[!-~]([ -~]*[!-~])?$/,
    "not a media type: use visible ASCII, for example text/plain",
  );
export const maxMediaTypeLength = 255;

/** RFC 3339, checked by the API server as `date-time`. */
export const time = () => z.iso.datetime({ offset: true }).meta({ format: "date-time" });

/** Seconds as an integer within [min, max]. The default maximum is a year. */
export const seconds = (min = 1, max = yearSeconds) => z.int().min(min).max(max);

/** A DNS-1123 label or subdomain as Kubernetes resource names are. */
export const resourceName = (max = 253) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** A task id: what code calls it. Letters, digits and `_ - . / :`, as Trigger.dev's users write them. */
export const taskId = () => z.string().min(1).max(maxIdLength).regex(idPattern);

/** The name of a queue; a Task's own one is `task/` and the Task's id. */
export const queueName = taskId;

export const queueRef = () =>
  z
    .object({
      name: queueName().optional().describe("Name of the queue. Default: task/<task id>."),
      concurrencyLimit: z
        .int()
        .min(1)
        .max(100_000)
        .optional()
        .describe(
          "How many runs of the queue may execute at once; with a concurrencyKey, per key value. Default: no limit but the namespace's.",
        ),
    })
    .describe("The queue that runs wait in.");

export const retry = () =>
  z
    .object({
      maxAttempts: z
        .int()
        .min(1)
        .max(250)
        .optional()
        .describe("Attempts in all, the first included. Default 3 for a task, 1 for an inline container."),
      factor: z
        .number()
        .min(1)
        .max(100)
        .optional()
        .describe("Each delay is the one before it times this. Default 2."),
      minTimeoutInMs: z
        .int()
        .min(0)
        .max(86_400_000)
        .optional()
        .describe("Delay before the second attempt, in milliseconds. Default 1000."),
      maxTimeoutInMs: z
        .int()
        .min(0)
        .max(86_400_000)
        .optional()
        .describe("Longest delay between attempts, in milliseconds. Default 60000."),
      randomize: z
        .boolean()
        .optional()
        .describe("Multiply each delay by a random number from 1 to 2. Default true."),
      outOfMemory: z
        .object({
          machine: machine()
            .optional()
            .describe("Machine preset for the one attempt after an out-of-memory kill."),
        })
        .optional()
        .describe(
          "What to do when an attempt was killed for using too much memory. Default: the run is Crashed.",
        ),
    })
    .describe(
      "When a failed attempt is followed by another. The delay before attempt n+1 is min(maxTimeoutInMs, r * minTimeoutInMs * factor^(n-1)), r from 1 to 2 when randomized.",
    );

export function machine() {
  return z
    .enum(machineNames)
    .describe(
      "CPU and memory preset: micro 0.25/0.25, small-1x 0.5/0.5, small-2x 1/1, medium-1x 1/2, medium-2x 2/4, large-1x 4/8, large-2x 8/16 (vCPU / GB). Default: requests of 0.05/0.06 and a memory limit of 0.5 GB.",
    );
}

const envVar = () =>
  z.object({
    name: text(256, 1).describe("Name of the variable."),
    value: text(32_768).optional().describe("Its value. Default empty."),
    valueFrom: openObject(4)
      .optional()
      .describe("Source of the value, as in a Pod: secretKeyRef, configMapKeyRef, fieldRef."),
  });

export const envList = () =>
  listMap(z.array(envVar()).max(128), "name").describe("Environment variables, as in a Pod's container.");

export const envFromList = () =>
  z.array(openObject(4)).max(32).describe("Secrets and ConfigMaps whose keys become variables, as in a Pod.");

export const podTemplate = () =>
  z
    .object({
      labels: z
        .record(z.string(), text(63))
        .optional()
        .describe("Extra labels of the pod.")
        .meta({ maxProperties: 32 }),
      annotations: z
        .record(z.string(), text(4096))
        .optional()
        .describe("Extra annotations of the pod.")
        .meta({ maxProperties: 32 }),
      nodeSelector: z
        .record(z.string(), text(63))
        .optional()
        .describe("Labels that the node must have.")
        .meta({ maxProperties: 32 }),
      tolerations: z
        .array(openObject(8))
        .max(32)
        .optional()
        .describe("Taints that the pod tolerates, as in a Pod."),
      affinity: openObject(8).optional().describe("Scheduling preferences, as in a Pod."),
      serviceAccountName: resourceName()
        .optional()
        .describe("Service account of the pod; its token is mounted only when this is set. Default: none."),
      imagePullSecrets: z
        .array(z.object({ name: resourceName().describe("Name of a Secret in the run's namespace.") }))
        .max(8)
        .optional()
        .describe("Secrets to pull the image with."),
      priorityClassName: resourceName().optional().describe("Scheduling priority of the pod."),
      runtimeClassName: resourceName().optional().describe("Container runtime class of the pod."),
      terminationGracePeriodSeconds: seconds(0, 3600)
        .optional()
        .describe("Seconds between SIGTERM and SIGKILL when the run is stopped. Default 30."),
      securityContext: openObject(16)
        .optional()
        .describe(
          "The pod's security context instead of uid, gid and fsGroup 65532. It stays non-root and RuntimeDefault unless it says otherwise, which values have to allow.",
        ),
      readOnlyRootFilesystem: z
        .boolean()
        .optional()
        .describe(
          "Whether the container can write to its volumes and /tmp only. Default: the chart's, false.",
        ),
      volumes: z.array(openObject(40)).max(32).optional().describe("Volumes of the pod, as in a Pod."),
      volumeMounts: z
        .array(openObject(8))
        .max(32)
        .optional()
        .describe("Where the container sees the volumes."),
      env: envList().optional(),
      envFrom: envFromList().optional(),
      resources: openObject(4)
        .optional()
        .describe("Requests and limits of the container, as in a Pod; wins over machine. GPUs go here."),
    })
    .describe(
      "What the pod gets besides the image: placement, identity, variables, volumes, resources. What is not allowed by the chart's podPolicy values fails the run with reason Forbidden.",
    );

/** What of a pod template only the Task says, unless it lets its runs. */
export const guardedFields = [
  "annotations",
  "env",
  "envFrom",
  "imagePullSecrets",
  "labels",
  "priorityClassName",
  "readOnlyRootFilesystem",
  "runtimeClassName",
  "securityContext",
  "serviceAccountName",
  "volumeMounts",
  "volumes",
] as const;

export const condition = () =>
  z.object({
    type: text(64, 1).describe(
      "Such as Finished, Complete, Failed, Captured, QueueDeclared, Ready or Admitting.",
    ),
    status: z.enum(["True", "False", "Unknown"]).describe("True, False or Unknown."),
    reason: text(128).describe("One word that programs can act on."),
    message: text(1024).describe("A sentence for people."),
    lastTransitionTime: time().describe("When status changed last."),
    observedGeneration: z.int().optional().describe("metadata.generation that this speaks of."),
  });

export const conditions = () =>
  listMap(z.array(condition()).max(16), "type").describe("What is known about the object.");

/** The preset with as much memory as a container without one gets (jobs/machine.ts). */
const defaultMachine: MachineName = "small-1x";
/** Places by memory, the smallest first: a map, which is cheap for the API server to look into. */
const byMemory = `{${machineNames.map((name, place) => `'${name}': ${place}`).join(", ")}}`;

/**
 * A machine for the attempt after an out-of-memory kill has more memory than the one before it. `explicit`:
 * whether the spec sets resources of its own, which no rule can read; `isDefault`: whether the default
 * machine counts where none is named.
 */
export const largerMachine = (explicit: string, isDefault: string): CelRule => ({
  rule: `!has(self.retry) || !has(self.retry.outOfMemory) || !has(self.retry.outOfMemory.machine) || ${explicit} || !(has(self.machine) || ${isDefault}) || ${byMemory}[self.retry.outOfMemory.machine] > ${byMemory}[has(self.machine) ? self.machine : '${defaultMachine}']`,
  message:
    "retry.outOfMemory.machine must have more memory than machine (500M without one, as small-1x): name a larger one",
  fieldPath: ".retry.outOfMemory.machine",
});
