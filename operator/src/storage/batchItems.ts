/**
 * The items of a batch in the bucket.
 *
 *   ns/<namespace>/batches/<name>.<uid>/items/<chunk, 4 digits>   50 items a chunk, one JSON object per line
 *   ns/<namespace>/batches/<name>.<uid>/payloads/<index>          a payload that is too long for a TaskRun
 *   ns/<namespace>/batches/<name>.<uid>/payloads/<index>.<id>     one that the client had uploaded
 *   ns/<namespace>/batches/<name>.<uid>/settled                   items that get no run of the batch, and why
 *   ns/<namespace>/batches/<name>.<uid>/results.ndjson            the result of each item
 *
 * Chunk c holds the items from 50c on, in order; only the last one may be shorter. The API stages each chunk
 * that it receives once: it is never overwritten. The controller copies the object of `spec.itemsRef` into
 * chunks when it starts processing the batch, so that later reads are a chunk at a time, of what cannot
 * change any more.
 */
import { maxBatchItems, maxInlineDataBytes } from "@fairlead/protocol/limits";
import { parseExactBelow } from "../lib/exactJson.ts";
import { inParallel } from "../lib/parallel.ts";
import type { BatchResult, ItemOutcome } from "../model/batch/item.ts";
import { newName } from "../model/ids.ts";
import { ownRef } from "../model/keys/objectKey.ts";
import type { BatchItem, ObjectMeta, OutputRef, TaskBatch } from "../model/resources.ts";
import { isSuperJson } from "../model/superJson.ts";
import { batchFolder } from "./layout.ts";
import type { NamespaceStore, Stores } from "./objectStore.ts";
import { readable, storedOutcome, storedResult } from "./stored.ts";

type BatchMeta = Pick<ObjectMeta, "namespace" | "name" | "uid">;

export const chunkSize = 50;
/** Of all items as text: payloads (10 MB at most) and what is around them. */
export const batchSourceLimit = 16 * 1024 * 1024;
const settledLimit = 2 * 1024 * 1024;
export const ndjson = "application/x-ndjson";

const chunkKey = (meta: BatchMeta, chunk: number): string =>
  `${batchFolder(meta)}items/${String(chunk).padStart(4, "0")}`;
export const batchPayloadKey = (meta: BatchMeta, index: number | "defaults"): string =>
  `${batchFolder(meta)}payloads/${index}`;
/** A new key for each call: a request that comes too late must not replace the item's payload. */
export const receivedPayloadKey = (meta: BatchMeta, index: number): string =>
  `${batchPayloadKey(meta, index)}.${newName()}`;
const outcomesKey = (meta: BatchMeta): string => `${batchFolder(meta)}settled`;
const resultsKey = (meta: BatchMeta): string => `${batchFolder(meta)}results.ndjson`;

/** An item, or why its line is not valid. */
export type IndexedItem = { index: number } & (
  | { item: BatchItem; problem?: undefined }
  | { problem: string; item?: undefined }
);

/** `there`: an earlier request has staged the chunk, which stays as it is. */
export async function stageChunk(
  stores: Stores<"putNew">,
  meta: BatchMeta,
  chunk: number,
  items: readonly unknown[],
): Promise<"stored" | "there"> {
  if (items.length === 0 || items.length > chunkSize) {
    throw new RangeError(`chunk ${chunk} has ${items.length} items, not 1 to ${chunkSize}`);
  }
  const stored = await stores
    .of(meta.namespace)
    .putNew(chunkKey(meta, chunk), linesOf(items), { type: ndjson });
  return stored ? "stored" : "there";
}

/**
 * The items in order, a chunk at a time; only those in `wanted`, when it is given. `batch` is as the API
 * server has it. Items in the bucket can be read as soon as the batch is Processing.
 */
export async function* readItems(
  stores: Stores<"get">,
  batch: TaskBatch,
  wanted?: ReadonlySet<number>,
): AsyncGenerator<IndexedItem, void, undefined> {
  const { items } = batch.spec;
  if (items) {
    for (const [index, item] of items.entries()) if (!wanted || wanted.has(index)) yield { index, item };
    return;
  }
  for (let chunk = 0; chunk < maxBatchItems / chunkSize; chunk++) {
    const from = chunk * chunkSize;
    const isWanted = (line: number): boolean => !wanted || wanted.has(from + line);
    if (!Array.from({ length: chunkSize }, (_, line) => line).some(isWanted)) continue;
    const lines = await readChunk(stores, batch.metadata, chunk);
    for (const [line, text] of (lines ?? []).entries()) {
      if (isWanted(line)) yield parseItem(from + line, text);
    }
    if (!wanted && (lines?.length ?? 0) < chunkSize) return;
  }
}

/** The lines of a chunk; undefined when it is not staged. */
async function readChunk(
  stores: Stores<"get">,
  meta: BatchMeta,
  chunk: number,
): Promise<string[] | undefined> {
  const got = await stores.of(meta.namespace).get(chunkKey(meta, chunk), { maxBytes: batchSourceLimit });
  return got && linesIn(got.body);
}

/** Copies the object of `spec.itemsRef`, as it is now, into the batch's chunks. */
export async function copyToChunks(
  stores: Stores<"put">,
  meta: BatchMeta,
  lines: readonly string[],
): Promise<void> {
  for (let from = 0; from < lines.length; from += chunkSize) {
    const body = `${lines.slice(from, from + chunkSize).join("\n")}\n`;
    await stores.of(meta.namespace).put(chunkKey(meta, from / chunkSize), body, { type: ndjson });
  }
}

export function parseItem(index: number, line: string): IndexedItem {
  try {
    return { index, item: parseExactBelow(line, "payload", "metadata") as BatchItem };
  } catch (error) {
    return { index, problem: `the line is not valid JSON: ${(error as Error).message}` };
  }
}

export function linesIn(body: Uint8Array): string[] {
  return new TextDecoder()
    .decode(body)
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

export async function readOutcomes(
  stores: Stores<"get" | "unreadable">,
  meta: BatchMeta,
): Promise<Map<number, ItemOutcome>> {
  const [store, key] = [stores.of(meta.namespace), outcomesKey(meta)];
  const got = await store.get(key, { maxBytes: settledLimit });
  if (!got) return new Map();
  return readable(store, key, () => {
    const outcomes = linesIn(got.body).map((line) => storedOutcome(line) as unknown as ItemOutcome);
    return new Map(outcomes.map((outcome) => [outcome.index, outcome]));
  });
}

export async function writeOutcomes(
  stores: Stores<"put">,
  meta: BatchMeta,
  outcomes: Iterable<ItemOutcome>,
): Promise<void> {
  await stores.of(meta.namespace).put(outcomesKey(meta), linesOf([...outcomes]), { type: ndjson });
}

export async function writeResults(
  stores: Stores<"put">,
  meta: BatchMeta,
  results: Iterable<BatchResult>,
): Promise<{ key: string; size: number }> {
  const key = resultsKey(meta);
  const body = Buffer.from(linesOf([...results]));
  await stores.of(meta.namespace).put(key, body, { type: ndjson });
  return { key, size: body.length };
}

/** Of a finished batch, by its `status.resultsRef`; undefined after the time that they are kept. */
export async function readResults(
  store: Pick<NamespaceStore, "get" | "unreadable">,
  { key, size }: { key: string; size: number },
): Promise<BatchResult[] | undefined> {
  const got = await store.get(key, { maxBytes: Math.max(1, size) });
  return (
    got &&
    readable(store, key, () => linesIn(got.body).map((line) => storedResult(line) as unknown as BatchResult))
  );
}

/** All outputs of one answer together. */
const maxOutputsBytes = 16 * 1024 * 1024;
const outputsAtOnce = 8;

/** The output as it was stored; `elsewhere` when it is too long to be read with the others. */
export type ItemOutput = { text: string; type: string } | "elsewhere";

/** Outputs that the results lack, or whose copy there has lost its types, by the index of their item. */
export async function readOutputs(
  stores: Stores<"get">,
  namespace: string,
  results: readonly BatchResult[],
): Promise<Map<number, ItemOutput>> {
  const store = stores.of(namespace);
  const outputs = new Map<number, ItemOutput>();
  const toRead: { index: number; outputRef: OutputRef }[] = [];
  let left = maxOutputsBytes;
  for (const { index, phase, output, outputRef } of results) {
    if (phase !== "Completed" || !outputRef || !ownRef(namespace, outputRef)) continue;
    if (output !== undefined && !isSuperJson(outputRef.type)) continue;
    if (outputRef.size > Math.min(maxInlineDataBytes, left)) outputs.set(index, "elsewhere");
    else {
      left -= outputRef.size;
      toRead.push({ index, outputRef });
    }
  }
  await inParallel(toRead.values(), outputsAtOnce, async ({ index, outputRef: { key, size, type } }) => {
    const object = await store.get(key, { maxBytes: Math.max(1, size) });
    if (object) outputs.set(index, { text: new TextDecoder().decode(object.body), type });
  });
  return outputs;
}

const linesOf = (values: readonly unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join("");
