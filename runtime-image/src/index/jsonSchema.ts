/**
 * The JSON Schema of a payload, from what a schema library offers: the standard for it, a method of its own,
 * or the schema itself (TypeBox). Of what a sender sends, not of what the task gets.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

type Convert = (options?: object) => unknown;

interface Schema {
  "~standard"?: { vendor?: string; jsonSchema?: { input?: Convert } };
  toJSONSchema?: Convert;
  toJsonSchema?: Convert;
  _zod?: unknown;
  type?: unknown;
}

/** `file`: beside it the library may be installed. Undefined when the library offers none. */
export async function jsonSchemaOf(schema: unknown, file: string): Promise<unknown> {
  if ((typeof schema !== "object" && typeof schema !== "function") || schema === null) return undefined;
  const given = schema as Schema;
  const zod = { io: "input", unrepresentable: "any" };
  const ways: (() => unknown)[] = [
    () => given["~standard"]?.jsonSchema?.input?.({ target: "draft-2020-12" }),
    () => given.toJSONSchema?.(zod),
    () => given.toJsonSchema?.(),
    () => (given._zod ? zodOf(file).then((convert) => convert?.(schema, zod)) : undefined),
    () => (typeof given.type === "string" && !("parse" in given) ? schema : undefined),
  ];
  for (const way of ways) {
    try {
      const found = plain(await way());
      if (found) return found;
    } catch {
      // A schema with a part that JSON Schema has no form for; the next way may know one.
    }
  }
  return undefined;
}

/** Zod 4 before it had a method for it. */
async function zodOf(file: string): Promise<((schema: unknown, options: object) => unknown) | undefined> {
  const { resolve } = createRequire(pathToFileURL(file));
  // In version 3.25 the schemas of version 4 are apart.
  for (const name of ["zod/v4", "zod"]) {
    const found = await import(pathToFileURL(resolve(name)).href).catch(() => undefined);
    if (typeof found?.toJSONSchema === "function") return found.toJSONSchema;
  }
  return undefined;
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return JSON.parse(JSON.stringify(value));
}
