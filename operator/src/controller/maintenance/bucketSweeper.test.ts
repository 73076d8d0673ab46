import { pino } from "pino";
import { expect, test } from "vitest";
import type { TaskRun } from "../../model/resources.ts";
import { readKeyRecord, writeKeyRecord } from "../../storage/keyRecord.ts";
import { historyIndexKey, logKey, outputKey, payloadKey } from "../../storage/layout.ts";
import { readHistory, writeHistory } from "../../storage/runHistory.ts";
import { type TestStore, testStore } from "../../storage/testStore.ts";
import { recordIndex } from "../taskRun/keyRecords.ts";
import { sweepBucket } from "./bucketSweeper.ts";
import type { BucketSweepDeps } from "./sweepRound.ts";

const hour = 3_600_000;
const start = Date.UTC(2026, 0, 1);
const text = { type: "text/plain" };

function run(name: string, uid: string, createdMs: number, spec: Partial<TaskRun["spec"]> = {}): TaskRun {
  return {
    apiVersion: "",
    kind: "TaskRun",
    metadata: { namespace: "n", name, uid, creationTimestamp: new Date(createdMs).toISOString() },
    spec: { task: "t", ...spec },
    status: { phase: "Completed", finishedAt: new Date(createdMs + 1000).toISOString() },
  };
}

interface World {
  store: TestStore;
  live?: TaskRun[];
  now: number;
  watchNamespaces?: string[];
}

/** Without what the sweeper and history note for themselves. */
const objectsOf = (store: TestStore): string[] =>
  store.keys().filter((key) => !/^maintenance\/|\/expiry\//.test(key));

/** Keeps history for ten hours. */
const sweep = ({ store, live = [], now, watchNamespaces = [] }: World): Promise<number> =>
  sweepBucket({
    store,
    clock: () => now,
    runs: {
      get: (namespace: string, name: string) =>
        live.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
      list: () => live,
      byIndex: (_index: string, value: string) => live.filter((one) => recordIndex(one).includes(value)),
    },
    batches: { get: () => undefined, list: () => [] },
    config: { historySeconds: 10 * 3600, watchNamespaces },
    log: pino({ level: "silent" }),
    sweepStats: { deleted: 0 },
    owners: { otherOwner: () => undefined },
  } as unknown as BucketSweepDeps);

test("the end of an old run's history takes nothing of a later run that has its name", async () => {
  let now = start;
  const store = testStore(() => now);
  const retire = async (one: TaskRun): Promise<void> => {
    for (const key of [
      payloadKey(one.metadata),
      logKey(one.metadata, 1, "p"),
      outputKey(one.metadata, 1, "p"),
    ])
      await store.put(key, "x", text);
    await store.put(one.spec.payloadRef?.key ?? "", "x", text);
    await writeHistory(store, one);
  };
  const old = run("r", "u1", now, { payloadRef: { key: "ns/n/payloads/r.one", size: 1 } });
  await retire(old);
  now += 8 * hour;
  const later = run("r", "u2", now, { payloadRef: { key: "ns/n/payloads/r.two", size: 1 } });
  await retire(later);
  // Waits since before the old run's history ended.
  const waiting = run("r", "u3", now, { payloadRef: { key: "ns/n/payloads/r.three", size: 1 } });
  await store.put("ns/n/payloads/r.three", "x", text);
  now = start + 11 * hour;
  await sweep({ store, live: [waiting], now });
  const left = objectsOf(store);
  expect(left.filter((key) => key.includes("u1") || key.endsWith("r.one"))).toEqual([]);
  expect(left.filter((key) => key.includes("u2"))).toHaveLength(5);
  expect(left).toEqual(expect.arrayContaining(["ns/n/payloads/r.two", "ns/n/payloads/r.three"]));
});

test("what a TaskRun refers to stays, wherever it is and whatever made it", async () => {
  const store = testStore(() => start);
  const original = run("a", "u1", start);
  const output = outputKey(original.metadata, 1, "p");
  for (const key of ["ns/n/payloads/foo.1", "ns/n/packets/x", output]) await store.put(key, "x", text);
  await writeHistory(store, original);
  const duplicate = run("a", "u2", start);
  duplicate.status = { ...duplicate.status, outputRef: { key: output, size: 1, type: "text/plain" } };
  const live = [
    run("bar", "u3", start, { payloadRef: { key: "ns/n/payloads/foo.1", size: 1 } }),
    run("baz", "u4", start, { payloadRef: { key: "ns/n/packets/x", size: 1 } }),
    duplicate,
  ];
  const before = objectsOf(store);
  expect(await sweep({ store, live, now: start + 400 * hour })).toBe(0);
  expect(objectsOf(store)).toEqual(before);
  // What no entry of expiry leads to is looked for once a day.
  await sweep({ store, now: start + 425 * hour });
  expect(objectsOf(store)).toEqual([]);
});

test("a release deletes nothing in namespaces that it does not watch", async () => {
  const store = testStore(() => start);
  await store.put("ns/n/payloads/r.one", "x", text);
  await writeHistory(store, run("r", "u1", start));
  expect(await sweep({ store, now: start + 400 * hour, watchNamespaces: ["other"] })).toBe(0);
  expect(await sweep({ store, now: start + 400 * hour, watchNamespaces: ["n"] })).toBeGreaterThan(0);
});

test("a record of a key outlives the history of its run, and the run that has the key", async () => {
  const store = testStore(() => start);
  const spec = { idempotencyKey: "k" };
  const retired = run("k0", "u1", start, spec);
  await writeHistory(store, retired);
  const { finishedAt = "" } = retired.status ?? {};
  const record = { run: { name: "k0", uid: "u1" }, phase: "Completed" as const, finishedAt };
  const expiresAt = new Date(start + hour).toISOString();
  const [hash = ""] = recordIndex(retired).map((value) => value.slice("n/".length));
  await writeKeyRecord(store, "n", hash, { ...record, generation: 0, expiresAt });
  const generationAfter = async (now: number, live: TaskRun[] = []): Promise<number | undefined> => {
    await sweep({ store, live, now });
    return (await readKeyRecord(store, "n", hash))?.generation;
  };
  expect(await generationAfter(start + 2 * hour)).toBe(0);
  expect(await generationAfter(start + 9 * hour)).toBe(0);
  const live = [run("k1", "u2", start, { ...spec, idempotencyKeyGeneration: 1 })];
  expect(await generationAfter(start + 11 * hour, live)).toBe(0);
  expect(await readHistory(store, "n", retired.metadata)).toBeUndefined();
  expect(await generationAfter(start + 13 * hour)).toBeUndefined();
});

test("the highest generation's record is the last to go, also when it expires first", async () => {
  const store = testStore(() => start);
  const at = (hours: number): string => new Date(start + hours * hour).toISOString();
  const record = (generation: number, until: number) => ({
    generation,
    run: { name: `k${generation}`, uid: `u${generation}` },
    phase: "Completed" as const,
    expiresAt: at(until),
  });
  for (const one of [record(0, 30), record(1, 1), record(2, 2)]) await writeKeyRecord(store, "n", "h", one);
  await sweep({ store, now: start + 20 * hour });
  expect((await readKeyRecord(store, "n", "h"))?.generation).toBe(2);
  await sweep({ store, now: start + 42 * hour });
  expect(objectsOf(store)).toEqual([]);
});

test("an object that cannot be read does not keep others from being deleted", async () => {
  const store = testStore(() => start);
  const [broken, whole] = [run("a", "u1", start), run("b", "u2", start)];
  for (const one of [broken, whole]) await writeHistory(store, one);
  await store.put(historyIndexKey(broken.metadata), "{", text);
  await store.put("ns/n/records/h/1", "{", text);
  await sweep({ store, now: start + 400 * hour });
  expect(objectsOf(store)).toEqual(["ns/n/records/h/1"]);
});
