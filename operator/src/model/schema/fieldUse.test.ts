import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { kinds } from "./crd.ts";
import { isNotYet } from "./notYet.ts";

const sources = join(import.meta.dirname, "../..");
/** Schemas, tables and documents name fields without using them; comments do, too. */
const ignored = /\.test\.ts$|\/testEvents\.ts$|\/schema\/|\/triggerFields\.ts$|\/openapi\.ts$/;
const comments = /\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm;

/** Sets a TaskRun's fields from a trigger's options, and reads none. */
const setsOptions = readFileSync(join(sources, "api/runs/wire/triggerBody.ts"), "utf8").replace(comments, "");

/** What writes the status of each kind. Conditions are complete by their type (model/conditions.ts). */
const writers: Record<string, string[]> = {
  Task: ["controller/task"],
  TaskRun: ["transition", "settle", "attempts", "conditions", "report", "event", "wait", "waiting"].map(
    (name) => `model/run/${name}.ts`,
  ),
  TaskBatch: ["controller/taskBatch", "model/batch", "api/batches"],
  TaskQueue: ["controller/taskQueue", "controller/maintenance", "api/queues.ts"],
  TaskSchedule: ["controller/taskSchedule", "api/schedules.ts"],
  WaitToken: ["controller/waitToken", "api/waits"],
};

/** Fields of a TaskRun's spec that no user sets. */
const setByFairlead: Record<string, string[]> = {
  idempotencyKeyGeneration: ["api/runs", "controller/taskBatch"],
  batch: ["model/batch"],
  schedule: ["controller/taskSchedule"],
  replayOf: ["api/runs"],
  debounce: ["api/runs"],
};

/** `attempts.error.name` and all others of an object's schema. */
function fieldsOf(schema: z.ZodType, prefix = ""): string[] {
  const { type, innerType, element, shape } = schema.def as unknown as Def;
  if (type === "optional") return fieldsOf(innerType as z.ZodType, prefix);
  if (type === "array") return fieldsOf(element as z.ZodType, prefix);
  return Object.entries(shape ?? {}).flatMap(([name, field]) => [
    prefix + name,
    ...(name === "conditions" ? [] : fieldsOf(field, `${prefix}${name}.`)),
  ]);
}

interface Def {
  type: string;
  innerType?: z.ZodType;
  element?: z.ZodType;
  shape?: Record<string, z.ZodType>;
}

function textOf(path: string): string {
  const names = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : undefined;
  if (names) return names.map(textOf).join("\n");
  return path.endsWith(".ts") && !ignored.test(path) ? readFileSync(path, "utf8").replace(comments, "") : "";
}

const textIn = (folders: readonly string[]): string =>
  folders.map((folder) => textOf(join(sources, folder))).join("\n");

const leafOf = (field: string): string => field.slice(field.lastIndexOf(".") + 1);
const isWritten = (text: string, field: string): boolean =>
  new RegExp(`(?<![.\\w?])${leafOf(field)}\\s*[:,}]|\\.${leafOf(field)} = `).test(text);

describe.each(kinds)("$kind", ({ kind, spec, status }) => {
  it("each field of the status has a writer, or a line in notYet.ts", () => {
    const text = textIn(writers[kind] ?? []);
    const open = fieldsOf(status).filter(
      (field) => !isWritten(text, field) && !isNotYet(kind, "status", field),
    );
    expect(open).toEqual([]);
  });

  it("each field of the spec is read, or has a line in notYet.ts", () => {
    const text = textIn(["api", "controller", "jobs", "model", "storage"]).replace(setsOptions, "");
    const isRead = (field: string): boolean => new RegExp(`\\b${leafOf(field)}\\b`).test(text);
    expect(fieldsOf(spec).filter((field) => !isRead(field) && !isNotYet(kind, "spec", field))).toEqual([]);
  });
});

it.each(Object.entries(setByFairlead))(
  "a TaskRun's %s, which no user sets, is set by Fairlead",
  (field, folders) => expect(isWritten(textIn(folders), field)).toBe(true),
);
