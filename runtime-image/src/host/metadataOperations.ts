/**
 * Changes of a run's metadata, applied to the attempt's own copy as the API will apply them
 * (operator/src/model/run/metadataOperations.ts), and made fewer before they are sent. Pure: what comes in
 * stays as it is.
 */
import { isDeepStrictEqual } from "node:util";

export type Operation =
  | { type: "set" | "append" | "remove"; key: string; value: unknown }
  | { type: "increment"; key: string; value: number }
  | { type: "delete"; key: string }
  | { type: "update"; value: Record<string, unknown> };

type Metadata = Record<string, unknown>;

const forbidden = new Set(["__proto__", "constructor", "prototype", ""]);
const maxKeyLength = 512;

const partsOf = (key: string): string[] => (key.startsWith("$.") ? key.slice(2).split(".") : [key]);

/** What is wrong with the key; undefined when it can be one. */
export function keyProblem(key: unknown): string | undefined {
  if (typeof key !== "string" || key === "" || key.length > maxKeyLength)
    return `is not a text of 1 to ${maxKeyLength} characters`;
  return partsOf(key).some((part) => forbidden.has(part)) ? "cannot be a key of metadata" : undefined;
}

interface Applied {
  metadata: Metadata;
  /** What the API is to do; undefined when nothing changes. */
  sent?: Operation;
}

/** Applies one operation. As in Trigger.dev what cannot be changed in this way stays as it is. */
export function apply(before: Metadata, operation: Operation): Applied {
  if (operation.type === "update") {
    const isSame = isDeepStrictEqual(before, operation.value);
    return isSame ? { metadata: before } : { metadata: structuredClone(operation.value), sent: operation };
  }
  const metadata = structuredClone(before);
  const path = partsOf(operation.key);
  const name = path.pop() ?? "";
  let holder: Metadata = metadata;
  for (const part of path) {
    if (!Object.hasOwn(holder, part)) {
      if (operation.type === "delete" || operation.type === "remove") return { metadata: before };
      holder[part] = {};
    }
    const next = holder[part];
    if (typeof next !== "object" || next === null) return { metadata: before };
    holder = next as Metadata;
  }
  const sent = change(holder, name, operation);
  return sent && !isDeepStrictEqual(before, metadata) ? { metadata, sent } : { metadata: before };
}

function change(
  holder: Metadata,
  name: string,
  operation: Exclude<Operation, { type: "update" }>,
): Operation | undefined {
  const { type, key } = operation;
  const current = Object.hasOwn(holder, name) ? holder[name] : undefined;
  switch (type) {
    case "set":
      holder[name] = structuredClone(operation.value);
      return operation;
    case "delete":
      if (Array.isArray(holder)) holder.splice(Number(name), 1);
      else delete holder[name];
      return operation;
    case "append":
      holder[name] = [
        ...(Array.isArray(current) ? current : current === undefined ? [] : [current]),
        structuredClone(operation.value),
      ];
      return operation;
    case "remove":
      if (!Array.isArray(current)) return undefined;
      holder[name] = current.filter((item) => !isDeepStrictEqual(item, operation.value));
      return operation;
    case "increment": {
      const isNumber = typeof current === "number";
      const sum = (isNumber ? current : 0) + operation.value;
      if (!Number.isFinite(sum)) return undefined;
      holder[name] = sum;
      // The API adds to numbers only.
      return isNumber || current === undefined ? operation : { type: "set", key, value: sum };
    }
  }
}

/** The same changes with fewer operations: neighbours on the same key become one where that says the same. */
export function collapsed(operations: readonly Operation[]): Operation[] {
  const result: Operation[] = [];
  for (const operation of operations) {
    const before = result.at(-1);
    if (operation.type === "update") {
      result.splice(0, result.length, operation);
      continue;
    }
    const isSameKey = before !== undefined && before.type !== "update" && before.key === operation.key;
    if (isSameKey && before.type === "increment" && operation.type === "increment") {
      result[result.length - 1] = { ...before, value: before.value + operation.value };
    } else if (isSameKey && (operation.type === "set" || operation.type === "delete")) {
      result[result.length - 1] = operation;
    } else result.push(operation);
  }
  return result;
}

/** One operation for each of the top-level keys that were changed, with what is there now. */
export function folded(operations: readonly Operation[], now: Metadata): Operation[] {
  if (operations.some(({ type }) => type === "update")) return [{ type: "update", value: now }];
  const keys = new Set(
    operations.map((operation) => (operation.type === "update" ? "" : (partsOf(operation.key)[0] ?? ""))),
  );
  return [...keys].map((key) =>
    Object.hasOwn(now, key) ? { type: "set", key, value: now[key] } : { type: "delete", key },
  );
}
