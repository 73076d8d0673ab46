/**
 * Changes of a run's metadata, as Trigger.dev's clients send them. A key is a name, or a path `$.a.b` into
 * nested objects. Pure: the metadata that come in stay as they are.
 *
 *   set, update   replaces the value
 *   delete        removes the key
 *   increment     adds to the number at the key, to 0 when it is absent
 *   append        adds to the list at the key, to an empty one when it is absent
 *   remove        removes every equal element from the list at the key
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

const key = z.string().min(1).max(512);
export const metadataOperation = z.discriminatedUnion("type", [
  z.object({ type: z.literal("set"), key, value: z.unknown() }),
  z.object({ type: z.literal("update"), value: z.record(z.string(), z.unknown()) }),
  z.object({ type: z.literal("delete"), key }),
  z.object({ type: z.literal("append"), key, value: z.unknown() }),
  z.object({ type: z.literal("remove"), key, value: z.unknown() }),
  z.object({ type: z.literal("increment"), key, value: z.number() }),
]);

export type MetadataOperation = z.infer<typeof metadataOperation>;
type Metadata = Record<string, unknown>;

const forbidden = new Set(["__proto__", "constructor", "prototype"]);

export function applyOperations(metadata: Metadata, operations: readonly MetadataOperation[]): Metadata {
  let changed = structuredClone(metadata);
  for (const operation of operations) {
    if (operation.type === "update") changed = structuredClone(operation.value);
    else applyAt(changed, partsOf(operation.key), operation);
  }
  return changed;
}

function applyAt(
  root: Metadata,
  path: readonly string[],
  operation: Exclude<MetadataOperation, { type: "update" }>,
): void {
  let holder = root;
  for (const part of path.slice(0, -1)) {
    const next = holder[part];
    if (!isObject(next)) {
      if (operation.type === "delete" || operation.type === "remove") return;
      holder[part] = {};
    }
    holder = holder[part] as Metadata;
  }
  const name = path.at(-1) ?? "";
  const before = holder[name];
  switch (operation.type) {
    case "set":
      holder[name] = operation.value;
      return;
    case "delete":
      delete holder[name];
      return;
    case "append":
      holder[name] = [
        ...(Array.isArray(before) ? before : before === undefined ? [] : [before]),
        operation.value,
      ];
      return;
    case "remove":
      if (Array.isArray(before))
        holder[name] = before.filter((item) => !isDeepStrictEqual(item, operation.value));
      return;
    case "increment":
      holder[name] = (typeof before === "number" ? before : 0) + operation.value;
  }
}

function partsOf(key: string): string[] {
  const parts = key.startsWith("$.") ? key.slice(2).split(".") : [key];
  const bad = parts.find((part) => part === "" || forbidden.has(part));
  if (bad !== undefined) throw new RangeError(`key: "${key}" cannot be a key of metadata`);
  return parts;
}

const isObject = (value: unknown): value is Metadata =>
  typeof value === "object" && value !== null && !Array.isArray(value);
