/**
 * Fields that the schema has and no part of Fairlead acts on yet. Using one is refused by a CEL rule, not
 * ignored. A change that builds the behaviour removes the line; a unit test finds fields that are neither
 * used nor listed here.
 */
import type { CelRule } from "./common.ts";

type Fields = Record<string, string>;

const fields: Record<string, { spec: Fields; status?: string[] }> = {
  Task: {
    spec: {
      warm: "warm Jobs",
      payloadSchema: "payload schemas",
    },
    status: ["warm"],
  },
};

export function notYet(kind: string): CelRule[] {
  return Object.entries(fields[kind]?.spec ?? {}).map(([field, what]) => ({
    rule: `!has(self.${field})`,
    message: `${field} is not supported in this version (${what} are still to come): leave it out`,
    fieldPath: `.${field}`,
    reason: "FieldValueForbidden",
  }));
}

/** For `kubectl explain`: a field that is refused says so. */
export function markNotYet(kind: string, part: "spec" | "status", properties: object = {}): void {
  for (const [field, property] of Object.entries(properties as Record<string, { description?: string }>))
    if (isNotYet(kind, part, field))
      property.description = `Not supported in this version. ${property.description ?? ""}`.trim();
}

/** `field` may be within one that is listed: `warm.min`. */
export function isNotYet(kind: string, part: "spec" | "status", field: string): boolean {
  const listed = part === "spec" ? Object.keys(fields[kind]?.spec ?? {}) : (fields[kind]?.status ?? []);
  return listed.includes(field.split(".")[0] as string);
}
