/**
 * Changes of a run's metadata, as Trigger.dev's clients send them. A key is a name, or a path `$.a.b` into
 * nested objects and lists, whose keys are their indexes. Pure: the metadata that come in stay as they are.
 *
 *   set, update   replaces the value
 *   delete        removes the key, of a list the element
 *   increment     adds to the number at the key, to 0 when it is absent
 *   append        adds to the list at the key; another value becomes the first of a list, as in Trigger.dev
 *   remove        removes every equal element from the list at the key
 *
 * An increment of what is no number, and a path through what holds nothing, are refused.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { cloneJson, isRawNumber, numberOf, type RawNumber } from "../../lib/exactJson.ts";

const key = z.string().min(1).max(512);
const number = z.union([z.number(), z.custom<RawNumber>(isRawNumber)], "a number is needed");
export const metadataOperation = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("set"), key, value: z.unknown() }),
  z.strictObject({ type: z.literal("update"), value: z.record(z.string(), z.unknown()) }),
  z.strictObject({ type: z.literal("delete"), key }),
  z.strictObject({ type: z.literal("append"), key, value: z.unknown() }),
  z.strictObject({ type: z.literal("remove"), key, value: z.unknown() }),
  z.strictObject({ type: z.literal("increment"), key, value: number }),
]);

export type MetadataOperation = z.infer<typeof metadataOperation>;
type Metadata = Record<string, unknown>;
type Holder = Metadata | unknown[];

const forbidden = new Set(["__proto__", "constructor", "prototype"]);

/** Throws a RangeError that names the key, when the operation does not fit what is there. */
export function applyOperations(metadata: Metadata, operations: readonly MetadataOperation[]): Metadata {
  let changed = cloneJson(metadata);
  for (const operation of operations) {
    if (operation.type === "update") changed = cloneJson(operation.value);
    else applyAt(changed, operation);
  }
  return changed;
}

function applyAt(root: Metadata, operation: Exclude<MetadataOperation, { type: "update" }>): void {
  const { type, key } = operation;
  const path = partsOf(key);
  const name = path.pop() ?? "";
  const isRemoval = type === "delete" || type === "remove";
  let holder: Holder = root;
  for (const part of path) {
    let next = read(holder, part);
    if (next === undefined) {
      if (isRemoval) return;
      next = {};
      write(holder, part, next, key);
    }
    if (!isHolder(next)) throw misfit(key, `"${part}" is neither an object nor a list`);
    holder = next;
  }
  const before = read(holder, name);
  switch (type) {
    case "set":
      write(holder, name, operation.value, key);
      return;
    case "delete":
      remove(holder, name);
      return;
    case "append":
      write(holder, name, [...listOf(before), operation.value], key);
      return;
    case "remove":
      if (Array.isArray(before)) write(holder, name, without(before, operation.value), key);
      return;
    case "increment":
      write(holder, name, sum(before ?? 0, operation.value, key), key);
  }
}

const without = (list: unknown[], value: unknown): unknown[] =>
  list.filter((item) => !isDeepStrictEqual(item, value));

const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

/** Own properties only; of a list, its elements. */
const read = (holder: Holder, name: string): unknown =>
  Object.hasOwn(holder, name) && !(Array.isArray(holder) && !isIndex(name))
    ? (holder as Metadata)[name]
    : undefined;

function write(holder: Holder, name: string, value: unknown, key: string): void {
  if (!Array.isArray(holder)) holder[name] = value;
  else if (isIndex(name) && Number(name) <= holder.length) holder[Number(name)] = value;
  else throw misfit(key, `"${name}" is no index of a list of ${holder.length}`);
}

function remove(holder: Holder, name: string): void {
  if (!Array.isArray(holder)) delete holder[name];
  else if (isIndex(name) && Number(name) < holder.length) holder.splice(Number(name), 1);
}

/** Exact for whole numbers of any length. */
function sum(before: unknown, by: number | RawNumber, key: string): number | RawNumber {
  if (typeof before !== "number" && !isRawNumber(before)) throw misfit(key, "there is no number to add to");
  const [a, b] = [textOf(before), textOf(by)];
  const isWhole = /^-?\d+$/.test(a) && /^-?\d+$/.test(b);
  const result = isWhole ? numberOf(String(BigInt(a) + BigInt(b))) : Number(a) + Number(b);
  if (typeof result === "number" && !Number.isFinite(result)) throw misfit(key, "the sum is no number");
  return result;
}

const textOf = (number: number | RawNumber): string =>
  isRawNumber(number) ? number.rawJSON : JSON.stringify(number);

function partsOf(key: string): string[] {
  const parts = key.startsWith("$.") ? key.slice(2).split(".") : [key];
  if (parts.some((part) => part === "" || forbidden.has(part)))
    throw misfit(key, "it cannot be a key of metadata");
  return parts;
}

const misfit = (key: string, why: string): RangeError => new RangeError(`key: "${key.slice(0, 80)}": ${why}`);
const isIndex = (name: string): boolean => /^(0|[1-9]\d{0,5})$/.test(name);
const isHolder = (value: unknown): value is Holder =>
  typeof value === "object" && value !== null && !isRawNumber(value);
