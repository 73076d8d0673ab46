/** Objects that are not what their key says: they cost themselves. */
import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import type { TaskRun } from "../model/resources.ts";
import { readBatchHistory, writeBatchHistory } from "./batchHistory.ts";
import { readOutcomes, readResults } from "./batchItems.ts";
import { type KeyRecord, readKeyRecord, writeKeyRecord } from "./keyRecord.ts";
import { batchRecordKey, historyIndexKey, historyKey, keyRecordKey } from "./layout.ts";
import { listHistory, readHistory, readLastHistory, writeHistory } from "./runHistory.ts";
import { UnreadableObject } from "./stored.ts";
import { type TestStore, testStore } from "./testStore.ts";

const start = Date.UTC(2026, 0, 1);
const json = { type: "application/json" };
const run = (name: string, n = 0, namespace = "n"): TaskRun => ({
  apiVersion: "",
  kind: "TaskRun",
  metadata: {
    ...{ namespace, name, uid: `uid-${name}` },
    creationTimestamp: new Date(start + n * 1000).toISOString(),
  },
  spec: { task: "t", tags: ["a"] },
  status: { phase: "Completed", finishedAt: new Date(start + n * 1000).toISOString() },
});

let store: TestStore;
beforeEach(() => {
  store = testStore(() => start);
});

const gz = (value: unknown) => gzipSync(typeof value === "string" ? value : JSON.stringify(value));
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, " "));

/** What a summary may be instead; of a run, by what it makes of the real one. */
const notSummaries: [string, (real: Record<string, unknown>) => unknown][] = [
  ["is no JSON", () => "{"],
  ["is null", () => null],
  ["is a list", () => []],
  ["is of another run", (real) => ({ ...real, name: "other" })],
  ["is of another uid", (real) => ({ ...real, uid: "other" })],
  ["is of another time", (real) => ({ ...real, createdAt: "2020-01-01T00:00:00Z" })],
  ["has no time", (real) => ({ ...real, createdAt: "soon" })],
  ["has tags that are no list", (real) => ({ ...real, spec: { tags: "a" } })],
  ["has no spec", (real) => ({ ...real, spec: undefined })],
  ["has a phase that is none", (real) => ({ ...real, status: { phase: "Odd" } })],
  ["has an answer to everything", (real) => ({ ...real, labels: 42 })],
];

test.each(notSummaries)(
  "a summary that %s is left out of the list, noted, and the others are listed",
  async (_, make) => {
    for (const [n, name] of ["a", "b", "c"].entries()) await writeHistory(store, run(name, n));
    const key = historyIndexKey(run("b", 1).metadata);
    const real = JSON.parse(Buffer.from((await store.get(key, { maxBytes: 9999 }))?.body ?? []).toString());
    const made = make(real);
    await store.put(key, typeof made === "string" ? made : JSON.stringify(made), json);
    const { runs } = await listHistory(store, "n", { limit: 10 });
    expect(runs.map(({ name }) => name)).toEqual(["c", "a"]);
    expect(store.unreadable).toBe(1);
  },
);

test.each([
  ["is not compressed", "{}"],
  ["is no JSON", gz("{")],
  ["is null", gz(null)],
  ["grows without end", bomb],
  ["is of another namespace", gz(run("a", 0, "other"))],
  ["is of another run", gz(run("b"))],
  ["has no spec", gz({ ...run("a"), spec: undefined })],
  ["has attempts that are no list", gz({ ...run("a"), status: { attempts: 5 } })],
])("history that %s is told as that, and noted", async (_, body) => {
  await writeHistory(store, run("a"));
  await store.put(historyKey(run("a").metadata), body, json);
  await expect(readHistory(store, "n", { name: "a", uid: "uid-a" })).rejects.toThrow(UnreadableObject);
  await expect(readLastHistory(store, "n", "a")).rejects.toThrow(UnreadableObject);
  expect(store.unreadable).toBe(2);
});

test.each([
  ["is no JSON", "{"],
  ["is of another generation", { generation: 7 }],
  ["has no time", { expiresAt: "never" }],
])("a key's record that %s is told as that, and the next retirement replaces it", async (_, wrong) => {
  const record: KeyRecord = {
    ...{ generation: 0, run: { name: "a", uid: "u" }, phase: "Completed" },
    expiresAt: "2026-01-02T00:00:00Z",
  };
  const key = keyRecordKey("n", "h", 0);
  await store.put(key, typeof wrong === "string" ? wrong : JSON.stringify({ ...record, ...wrong }), json);
  await expect(readKeyRecord(store, "n", "h")).rejects.toThrow(UnreadableObject);
  await writeKeyRecord(store, "n", "h", record);
  expect(await readKeyRecord(store, "n", "h")).toEqual(record);
});

test("a retired batch, its results and its outcomes that are something else are told as that", async () => {
  const metadata = { namespace: "n", name: "b", uid: "u" };
  const batch = {
    apiVersion: "",
    kind: "TaskBatch",
    metadata,
    spec: {},
    status: { finishedAt: "2026-01-01T00:00:00Z" },
  };
  await writeBatchHistory(store, batch as never);
  expect(await readBatchHistory(store, "n", "b")).toEqual(batch);
  await store.put(
    batchRecordKey(metadata),
    gz({ ...batch, metadata: { ...metadata, namespace: "other" } }),
    json,
  );
  await expect(readBatchHistory(store, "n", "b")).rejects.toThrow(UnreadableObject);
  for (const body of ["{", '{"index":"1"}', "[]", "null"]) {
    await store.put("ns/n/batches/b.u/results.ndjson", body, json);
    const ref = { key: "ns/n/batches/b.u/results.ndjson", size: 99 };
    await expect(readResults(store.of("n"), ref)).rejects.toThrow(UnreadableObject);
    await store.put("ns/n/batches/b.u/settled", body, json);
    await expect(readOutcomes(store, metadata)).rejects.toThrow(UnreadableObject);
  }
});
