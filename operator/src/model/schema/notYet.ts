/**
 * Fields that the schema has and no part acts on yet. Using one is refused by a CEL rule, not ignored.
 * Whoever builds the behaviour removes the line.
 */
import type { CelRule } from "./common.ts";

const fields: Record<"Task" | "TaskRun", Record<string, string>> = {
  Task: {
    bundle: "code from object storage",
    queue: "queues",
    ttlSeconds: "expiry",
    warm: "warm Jobs",
    schedule: "schedules",
    payloadSchema: "payload schemas",
  },
  TaskRun: {
    queue: "queues",
    concurrencyKey: "concurrency keys",
    priority: "priorities",
    ttlSeconds: "expiry",
    idempotencyKey: "idempotency keys",
    idempotencyKeyTTLSeconds: "idempotency keys",
    batch: "batches",
    schedule: "schedules",
    debounce: "debouncing",
    parent: "subtasks",
    ttlSecondsAfterFinished: "removal of finished runs",
  },
};

export function notYet(kind: "Task" | "TaskRun"): CelRule[] {
  return Object.entries(fields[kind]).map(([field, what]) => ({
    rule: `!has(self.${field})`,
    message: `${field} is not supported in this version (${what} are still to come): leave it out`,
    fieldPath: `.${field}`,
    reason: "FieldValueForbidden",
  }));
}
