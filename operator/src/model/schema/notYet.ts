/**
 * Fields that the schema has and no part acts on yet. Using one is refused by a CEL rule, not ignored.
 * Whoever builds the behaviour removes the line.
 */
import type { CelRule } from "./common.ts";

const fields: Record<"Task" | "TaskRun", Record<string, string>> = {
  Task: {
    bundle: "code from object storage",
    warm: "warm Jobs",
    payloadSchema: "payload schemas",
  },
  TaskRun: {
    parent: "subtasks",
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
