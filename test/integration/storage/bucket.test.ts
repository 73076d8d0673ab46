/** The bucket, history and its sweeper, on a real S3 server. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sweepBucket } from "../../../operator/src/controller/maintenance/bucketSweeper.ts";
import type { BucketSweepDeps } from "../../../operator/src/controller/maintenance/sweepRound.ts";
import { duplicateOf } from "../../../operator/src/controller/taskRun/duplicates.ts";
import { recordOf } from "../../../operator/src/controller/taskRun/keyRecords.ts";
import { keyedRunName } from "../../../operator/src/model/keys/idempotency.ts";
import { apiVersion, type TaskBatch, type TaskRun } from "../../../operator/src/model/resources.ts";
import { readBatchHistory, writeBatchHistory } from "../../../operator/src/storage/batchHistory.ts";
import { Bucket } from "../../../operator/src/storage/bucket.ts";
import { writeKeyRecord } from "../../../operator/src/storage/keyRecord.ts";
import { payloadKey } from "../../../operator/src/storage/layout.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import {
  listHistory,
  readHistory,
  readLastHistory,
  writeHistory,
} from "../../../operator/src/storage/runHistory.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";

let server: ObjectStoreServer;
let store: ObjectStore;
beforeAll(async () => {
  server = await ObjectStoreServer.start();
  store = server.store();
});
afterAll(() => server?.stop());

const text = { type: "text/plain" };
const start = Date.UTC(2026, 0, 1);
const hour = 3_600_000;

function run(namespace: string, name: string, createdMs: number, more: Partial<TaskRun> = {}): TaskRun {
  return {
    apiVersion,
    kind: "TaskRun",
    metadata: { namespace, name, uid: `uid-${name}`, creationTimestamp: new Date(createdMs).toISOString() },
    spec: { task: "t", payload: { n: 1 } },
    status: {
      phase: "Completed",
      output: { n: 2 },
      finishedAt: new Date(createdMs + hour).toISOString(),
    },
    ...more,
  };
}

describe("objects", () => {
  const objects = () => store.of("objects");

  test("putNew creates an object once, and returns to a second caller that it exists", async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => objects().putNew("ns/objects/new/one", `from ${i}`, text)),
    );
    expect(answers.filter(Boolean)).toHaveLength(1);
    const winner = new TextDecoder().decode(
      (await objects().get("ns/objects/new/one", { maxBytes: 100 }))?.body,
    );
    expect(winner).toBe(`from ${answers.indexOf(true)}`);
  });

  test("objects are listed in pages, in order, with folders", async () => {
    for (const name of ["a/1", "a/2", "b/1", "c"]) await objects().put(`ns/objects/list/${name}`, name, text);
    const first = await objects().list("ns/objects/list/", { limit: 2 });
    expect(first).toMatchObject({
      more: true,
      objects: [{ key: "ns/objects/list/a/1" }, { key: "ns/objects/list/a/2" }],
    });
    const rest = await objects().list("ns/objects/list/", { limit: 10, startAfter: "ns/objects/list/a/2" });
    expect(rest.objects.map(({ key }) => key)).toEqual(["ns/objects/list/b/1", "ns/objects/list/c"]);
    expect(rest.more).toBe(false);
    const folders = await objects().list("ns/objects/list/", { limit: 10, delimiter: "/" });
    expect(folders.folders).toEqual(["ns/objects/list/a/", "ns/objects/list/b/"]);
    expect(folders.objects.map(({ key }) => key)).toEqual(["ns/objects/list/c"]);
  });

  test("an object is copied with its type", async () => {
    await objects().put("ns/objects/copy/from it", "x", text);
    await objects().copy("ns/objects/copy/from it", "ns/objects/copy/to");
    expect(await objects().head("ns/objects/copy/to")).toMatchObject({ size: 1, type: "text/plain" });
  });

  test("an object can be deleted, and deleted again", async () => {
    await objects().put("ns/objects/deleted", "x", text);
    await objects().delete("ns/objects/deleted");
    await objects().delete("ns/objects/deleted");
    expect(await objects().head("ns/objects/deleted")).toBeUndefined();
  });
});

test("a bucket that is gone is made again by the next write", async () => {
  const other = server.bucket({ bucket: "again" });
  await other.ensureBucket();
  await other.put("k", "before", text);
  await server.loseBucket("again");
  await other.put("k", "after", text);
  expect(await other.head("k")).toMatchObject({ size: 5 });
});

test("an object of a bucket that is gone does not count as missing, and the bucket is made again", async () => {
  const other = server.bucket({ bucket: "lost" });
  for (const read of [() => other.get("k", { maxBytes: 9 }), () => other.head("k"), () => other.read("k")]) {
    await other.ensureBucket();
    await server.loseBucket("lost");
    await expect(read()).rejects.toThrow(expect.objectContaining({ name: "NoSuchBucket" }));
    expect(await read()).toBeUndefined();
  }
});

describe("history", () => {
  test("history is read by name and uid, and listed newest first in pages", async () => {
    for (let n = 0; n < 5; n++) await writeHistory(store, run("history", `run-${n}`, start + n * hour));
    const kept = run("history", "run-3", start + 3 * hour);
    expect(await readHistory(store, "history", kept.metadata)).toEqual(kept);
    expect(await readHistory(store, "history", { name: "run-3", uid: "another" })).toBeUndefined();
    expect(await readLastHistory(store, "history", "run-3")).toEqual(kept);
    expect(await readLastHistory(store, "history", "run")).toBeUndefined();
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = await listHistory(store, "history", { after, limit: 2 });
      pages.push(page.runs.map(({ name }) => name));
      after = page.next;
    } while (after);
    expect(pages.flat()).toEqual(["run-4", "run-3", "run-2", "run-1", "run-0"]);
    expect(pages[0]).toHaveLength(2);
  });

  test("a run whose history is written twice is listed once", async () => {
    const one = run("again", "one", start);
    await writeHistory(store, one);
    await writeHistory(store, one);
    expect((await listHistory(store, "again", { limit: 10 })).runs.map(({ name }) => name)).toEqual(["one"]);
  });
});

test("history keeps the last batch of a name that was not aborted", async () => {
  const batch = (name: string, uid: string, phase: string, finishedAt: string) =>
    ({
      metadata: { namespace: "batches", name, uid },
      spec: {},
      status: { phase, finishedAt },
    }) as TaskBatch;
  const first = batch("nightly", "u1", "Completed", "2026-01-01T00:00:00Z");
  const second = batch("nightly", "u2", "PartiallyFailed", "2026-01-02T00:00:00Z");
  const aborted = batch("nightly", "u3", "Aborted", "2026-01-03T00:00:00Z");
  const dotted = batch("nightly.b", "u4", "Completed", "2026-01-04T00:00:00Z");
  const read = (name: string) => readBatchHistory(store, "batches", name);
  await writeBatchHistory(store, aborted);
  expect(await read("nightly")).toEqual(aborted);
  for (const one of [second, first, dotted]) await writeBatchHistory(store, one);
  expect(await read("nightly")).toEqual(second);
  expect(await read("nightly.b")).toEqual(dotted);
  expect(await read("night")).toBeUndefined();
});

describe("the record of an idempotency key", () => {
  const keyed = (generation: number, uid: string, phase: "Completed" | "Failed" = "Completed"): TaskRun => {
    const name = keyedRunName("keys", "t", "order-1", generation);
    const one = run("keys", name, start);
    return {
      ...one,
      metadata: { ...one.metadata, uid },
      spec: { ...one.spec, idempotencyKey: "order-1", idempotencyKeyGeneration: generation },
      status: { ...one.status, phase },
    };
  };
  const fresh = (one: TaskRun, uid: string): TaskRun => ({
    ...one,
    metadata: { ...one.metadata, uid },
    status: { phase: "Queued" },
  });
  const deps = () => ({ store, clock: () => start + hour });

  test("a key record gives its run's result to a later run, and lets the next generation run", async () => {
    const first = keyed(0, "first");
    expect(await duplicateOf(deps(), fresh(first, "second"))).toBeUndefined();
    await writeHistory(store, first);
    const remembered = recordOf(first, 3600);
    if (!remembered) throw new Error("nothing to remember");
    await writeKeyRecord(store, "keys", remembered.hash, remembered.record);
    expect(await duplicateOf(deps(), fresh(first, "second"))).toMatchObject({
      type: "Duplicate",
      original: { name: first.metadata.name, uid: "first" },
      phase: "Completed",
      output: { n: 2 },
    });
    expect(await duplicateOf(deps(), first)).toBeUndefined();
    expect(await duplicateOf(deps(), fresh(keyed(1, "x"), "third"))).toBeUndefined();
    const later = { store, clock: () => start + 31 * 24 * hour };
    expect(await duplicateOf(later, fresh(first, "second"))).toBeUndefined();
  });

  test("a key record counts only under its own name, which the refusal names", async () => {
    const misnamed = { ...fresh(keyed(0, "x"), "y") };
    misnamed.metadata = { ...misnamed.metadata, name: "mine" };
    expect(await duplicateOf(deps(), misnamed)).toMatchObject({
      type: "Rejected",
      reason: "IdempotencyKeyName",
      message: expect.stringContaining(keyedRunName("keys", "t", "order-1", 0)),
    });
  });

  test("the key of an applied run is its name, if it is retired after it finishes", async () => {
    const applied = run("keys", "applied", start, { spec: { task: "t", ttlSecondsAfterFinished: 0 } });
    await writeHistory(store, applied);
    const remembered = recordOf(applied, 7200);
    if (!remembered) throw new Error("nothing to remember");
    await writeKeyRecord(store, "keys", remembered.hash, remembered.record);
    expect(await duplicateOf(deps(), fresh(applied, "again"))).toMatchObject({
      type: "Duplicate",
      phase: "Completed",
    });
    expect(recordOf(run("keys", "stays", start), 7200)).toBeUndefined();
  });
});

test("the sweeper deletes what has expired, with all that belongs to it, and nothing else", async () => {
  const payload = (name: string) => ({
    spec: { task: "t", payloadRef: { key: `ns/sweep/payloads/${name}.1`, size: 2 } },
  });
  const old = run("sweep", "old", start, payload("old"));
  const young = run("sweep", "young", start + 50 * hour, payload("young"));
  for (const one of [old, young]) {
    await store.of("sweep").put(payloadKey(one.metadata), "{}", text);
    await writeHistory(store, one);
  }
  const record = { generation: 0, run: { name: "old", uid: "u" }, phase: "Completed" as const };
  const at = (ms: number) => new Date(ms).toISOString();
  await writeKeyRecord(store, "sweep", "over", { ...record, expiresAt: at(start + hour) });
  await writeKeyRecord(store, "sweep", "valid", { ...record, expiresAt: at(start + 100 * hour) });
  const none = { get: () => undefined, list: () => [], byIndex: () => [] };
  // A batch that was applied again shows the results of the retired one.
  const shown = { key: "ns/sweep/batches/nightly.u1/results.ndjson", size: 2 };
  const batches = { ...none, list: () => [{ status: { resultsRef: shown } }] };
  for (const uid of ["u1", "u2"])
    await store.of("sweep").put(`ns/sweep/batches/nightly.${uid}/results.ndjson`, "{}", text);
  const deps = {
    store,
    runs: none,
    batches,
    clock: () => start + 60 * hour,
    config: { historySeconds: 48 * 3600, watchNamespaces: [] },
    log: pino({ level: "silent" }),
    sweepStats: { deleted: 0 },
    owners: { otherOwner: () => undefined },
  } as unknown as BucketSweepDeps;
  await store.of("sweep").put("ns/sweep/payloads/old.1", "{}", text);
  await store.of("sweep").put("ns/sweep/payloads/young.1", "{}", text);
  await store.of("sweep").put("ns/sweep/packets/trigger/packet_1/payload.json", "{}", text);
  await sweepBucket(deps);
  const left: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await store.of("sweep").list("ns/sweep/", { limit: 100, startAfter: after });
    left.push(...page.objects.map(({ key }) => key));
    after = page.objects.at(-1)?.key;
    if (!page.more) break;
  }
  expect(left.map((key) => key.replace(/\d{13}/, "T"))).toEqual([
    "ns/sweep/batches/nightly.u1/results.ndjson",
    "ns/sweep/batches/nightly.u2/results.ndjson",
    "ns/sweep/expiry/ended/2026-01-03T03/run.T.young.uid-young",
    "ns/sweep/expiry/keys/2026-01-05T04/valid",
    "ns/sweep/history/index/T.young.uid-young",
    "ns/sweep/history/runs/young/uid-young.json.gz",
    "ns/sweep/packets/trigger/packet_1/payload.json",
    "ns/sweep/payloads/young.1",
    "ns/sweep/records/valid/9999999999",
    "ns/sweep/runs/young.uid-young/payload",
  ]);
  // Everything was written after that clock's time, so as orphans all of it is young.
  const future = { ...deps, clock: () => Date.now() + 74 * hour } as BucketSweepDeps;
  await sweepBucket(future);
  expect((await store.of("sweep").list("ns/sweep/", { limit: 10 })).objects.map(({ key }) => key)).toEqual([
    shown.key,
  ]);
});

/** Calls putNew against a bucket that answers with these statuses in turn, the last one repeatedly. */
async function putAgainst(...statuses: number[]): Promise<{ outcome: unknown; requests: number }> {
  let requests = 0;
  const server = createServer((request, response) => {
    const status = statuses[Math.min(requests++, statuses.length - 1)] ?? 500;
    request.resume().on("end", () => response.writeHead(status).end());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const s3 = { endpoint, bucket: "test", region: "us-east-1", forcePathStyle: true };
  const store = new Bucket({ s3, credentials: { accessKeyId: "a", secretAccessKey: "b" } });
  const outcome = await store.putNew("k", "x", { type: "text/plain" }).catch((error: unknown) => error);
  server.close();
  server.closeAllConnections();
  return { outcome, requests };
}

test("putNew retries after a conflicting write, and reports an existing object only when the bucket says so", async () => {
  expect(await putAgainst(409, 200)).toEqual({ outcome: true, requests: 2 });
  expect(await putAgainst(409, 409, 412)).toEqual({ outcome: false, requests: 3 });
  expect(await putAgainst(412)).toEqual({ outcome: false, requests: 1 });
  expect(await putAgainst(409)).toEqual({ outcome: expect.any(Error), requests: 5 });
});
