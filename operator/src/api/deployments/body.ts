/**
 * What a deployment is made of, as `fairlead deploy` sends it: where the code is, and what its tasks and
 * queues say of themselves, in the words of Trigger.dev's SDK.
 */
import { maxCodeParts, maxDependencyParts, maxParts, sha256Pattern } from "@fairlead/protocol/bundle";
import { idRule, isId } from "@fairlead/protocol/ids";
import { machineNames } from "@fairlead/protocol/machines";
import { z } from "zod";

const id = () => z.string().refine(isId, { error: `it must have ${idRule}` });
const hash = () => z.string().regex(sha256Pattern, { error: "a SHA-256 in hex is needed" });
/** A label's value. */
const project = () =>
  z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
    error: "1 to 63 lower-case letters, digits and - are needed, a letter or digit first and last",
  });

const queue = z.strictObject({
  name: id().optional(),
  concurrencyLimit: z.int().min(1).max(100_000).optional(),
});

const retry = z.strictObject({
  maxAttempts: z.int().min(1).max(250).optional(),
  factor: z.number().min(1).max(100).optional(),
  minTimeoutInMs: z.int().min(0).max(86_400_000).optional(),
  maxTimeoutInMs: z.int().min(0).max(86_400_000).optional(),
  randomize: z.boolean().optional(),
  outOfMemory: z.strictObject({ machine: z.enum(machineNames).optional() }).optional(),
});

const task = z.strictObject({
  id: id(),
  /** Path of its module in the bundle. */
  entry: z.string().min(1).max(256),
  queue: queue.optional(),
  retry: retry.optional(),
  machine: z.enum(machineNames).optional(),
  maxDurationSeconds: z.int().min(5).optional(),
  ttlSeconds: z.int().min(0).optional(),
  schedule: z
    .strictObject({ cron: z.string().min(1).max(128), timezone: z.string().min(1).max(64).optional() })
    .optional(),
});

const taskLimit = 500;

export const deploymentBody = z.strictObject({
  project: project(),
  bundle: z.strictObject({
    code: z.array(hash()).min(1).max(maxCodeParts),
    dependencies: z.array(hash()).min(1).max(maxDependencyParts).optional(),
  }),
  tasks: z.array(task).min(1).max(taskLimit),
  queues: z
    .array(queue.extend({ name: id() }))
    .max(taskLimit)
    .default([]),
  /** Says what would be done, and does nothing. */
  dryRun: z.boolean().default(false),
  /** False: keeps it as a version, without making it the current one. */
  promote: z.boolean().default(true),
});
export const promotionBody = z.strictObject({
  project: project(),
  version: z.string().regex(/^[0-9a-f]{12}$/),
});
export const uploadBody = z.strictObject({ parts: z.array(hash()).min(1).max(maxParts) });
export const projectName = project();

export type Deployment = Omit<z.infer<typeof deploymentBody>, "dryRun" | "promote">;
