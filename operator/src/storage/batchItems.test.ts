import { expect, test } from "vitest";
import type { BatchItem, TaskBatch } from "../model/resources.ts";
import {
  copyToChunks,
  readItems,
  readOutcomes,
  readOutputs,
  readResults,
  stageChunk,
  writeOutcomes,
  writeResults,
} from "./batchItems.ts";

/** The bucket as far as it is needed here. */
class Objects {
  readonly all = new Map<string, string>();
  readonly read: string[] = [];

  of(): this {
    return this;
  }
  unreadable(): void {}
  async put(key: string, body: string | Uint8Array): Promise<void> {
    this.all.set(key, typeof body === "string" ? body : new TextDecoder().decode(body));
  }
  async putNew(key: string, body: string | Uint8Array): Promise<boolean> {
    if (this.all.has(key)) return false;
    await this.put(key, body);
    return true;
  }
  async get(key: string) {
    this.read.push(key);
    const text = this.all.get(key);
    return text === undefined ? undefined : { body: new TextEncoder().encode(text), size: text.length };
  }
}

const meta = { namespace: "default", name: "nightly", uid: "u1" };
const chunk = (n: number): string => `ns/default/batches/nightly.u1/items/000${n}`;
const batch = (spec: object): TaskBatch => ({ apiVersion: "", kind: "TaskBatch", metadata: meta, spec });
const items = (count: number): BatchItem[] => Array.from({ length: count }, (_, n) => ({ task: `t${n}` }));

async function indexes(store: Objects, of: TaskBatch, wanted?: Set<number>): Promise<number[]> {
  const found: number[] = [];
  for await (const { index, item } of readItems(store, of, wanted)) {
    expect(item?.task).toBe(`t${index}`);
    found.push(index);
  }
  return found;
}

test("a chunk is staged once, and a second request does not change it", async () => {
  const store = new Objects();
  expect(await stageChunk(store, meta, 3, items(2))).toBe("stored");
  expect(await stageChunk(store, meta, 3, items(1))).toBe("there");
  expect(store.all.get(chunk(3))).toBe('{"task":"t0"}\n{"task":"t1"}\n');
  expect([...store.all.keys()]).toEqual([chunk(3)]);
  await expect(stageChunk(store, meta, 0, items(51))).rejects.toThrow(/51 items, not 1 to 50/);
});

test("staged items are read in order, and only the chunks that are needed", async () => {
  const store = new Objects();
  const all = items(120);
  for (const chunk of [0, 1, 2]) await stageChunk(store, meta, chunk, all.slice(chunk * 50, chunk * 50 + 50));
  expect(await indexes(store, batch({ expectedCount: 120 }))).toEqual(all.map((_, n) => n));
  store.read.length = 0;
  expect(await indexes(store, batch({ expectedCount: 120 }), new Set([119, 3]))).toEqual([3, 119]);
  expect(store.read).toEqual([chunk(0), chunk(2)]);
});

test("a copied object is what it was when it was copied", async () => {
  const store = new Objects();
  await copyToChunks(
    store,
    meta,
    items(51).map((item) => JSON.stringify(item)),
  );
  expect([...store.all.keys()]).toEqual([chunk(0), chunk(1)]);
  expect(await indexes(store, batch({ itemsRef: { key: "gone" } }))).toHaveLength(51);
});

test("inline items need no bucket", async () => {
  const store = new Objects();
  expect(await indexes(store, batch({ items: items(3) }), new Set([1, 2]))).toEqual([1, 2]);
  expect(store.read).toEqual([]);
});

test("a line that is not valid JSON is reported, and the others are read", async () => {
  const store = new Objects();
  await copyToChunks(store, meta, ['{"task":', '{"task":"t1"}']);
  const read = [];
  for await (const one of readItems(store, batch({ itemsRef: { key: "k" } }))) read.push(one);
  expect(read).toMatchObject([
    { index: 0, problem: expect.stringContaining("not valid JSON") },
    { index: 1, item: { task: "t1" } },
  ]);
});

test("outcomes and results are read as they were written", async () => {
  const store = new Objects();
  expect((await readOutcomes(store, meta)).size).toBe(0);
  await writeOutcomes(store, meta, [{ index: 4, kind: "rejected", message: "no" }]);
  expect((await readOutcomes(store, meta)).get(4)).toEqual({ index: 4, kind: "rejected", message: "no" });
  const results = [{ index: 0, phase: "Completed" as const, output: "ü" }];
  const ref = await writeResults(store, meta, results);
  expect(ref.size).toBe(Buffer.byteLength(store.all.get(ref.key) ?? ""));
  expect(await readResults(store, ref)).toEqual(results);
});

test("outputs are read where the results lack them, within limits", async () => {
  const store = new Objects();
  const of = (index: number, size: number, more: object = {}) => {
    const outputRef = { key: `ns/a/o${index}`, size, type: "text/plain" };
    return { index, phase: "Completed" as const, outputRef, ...more };
  };
  const typed = { key: "ns/a/typed", size: 1, type: "application/super+json" };
  for (const name of ["o0", "o1", "o2", "typed"]) await store.put(`ns/a/${name}`, name);
  await store.put("ns/b/secret", "secret");
  const outputs = await readOutputs(store, "a", [
    of(0, 3),
    of(1, 3, { output: "a copy" }),
    of(2, 512 * 1024 + 1),
    of(3, 3),
    of(4, 3, { phase: "Failed" }),
    of(5, 1, { output: "a copy", outputRef: typed }),
    // Somebody else's, named by a status that was written by hand.
    of(6, 6, { outputRef: { key: "ns/b/secret", size: 6, type: "text/plain" } }),
  ]);
  expect([...outputs].sort(([a], [b]) => a - b)).toEqual([
    [0, { text: "o0", type: "text/plain" }],
    [2, "elsewhere"],
    [5, { text: "typed", type: "application/super+json" }],
  ]);
});

test("outputs that are too long together are reported, and only a few are read at once", async () => {
  let [reading, most] = [0, 0];
  const get = async () => {
    most = Math.max(most, ++reading);
    await new Promise(setImmediate);
    reading--;
    return { body: new Uint8Array(), size: 0 };
  };
  const outputRef = { key: "ns/a/k", size: 512 * 1024, type: "text/plain" };
  const results = Array.from({ length: 40 }, (_, index) => ({
    index,
    phase: "Completed" as const,
    outputRef,
  }));
  const outputs = await readOutputs({ of: () => ({ get }) }, "a", results);
  expect([...outputs.values()].filter((output) => output === "elsewhere")).toHaveLength(8);
  expect(most).toBe(8);
});
