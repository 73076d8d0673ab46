/** What sweeping costs, and what it leaves: in buckets of different sizes, and when it is interrupted. */
import { pino } from "pino";
import { expect, test } from "vitest";
import type { TaskRun } from "../../model/resources.ts";
import { endedPrefix } from "../../storage/expiry.ts";
import { historyKey, outputKey } from "../../storage/layout.ts";
import { ObjectStore } from "../../storage/objectStore.ts";
import { writeHistory } from "../../storage/runHistory.ts";
import { type TestStore, testStore } from "../../storage/testStore.ts";
import { sweepBucket } from "./bucketSweeper.ts";
import type { BucketSweepDeps } from "./sweepRound.ts";

const hour = 3_600_000;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);

function run(namespace: string, name: string, endedMs: number): TaskRun {
  const at = new Date(endedMs).toISOString();
  return {
    apiVersion: "",
    kind: "TaskRun",
    metadata: { namespace, name, uid: `uid-${name}`, creationTimestamp: at },
    spec: { task: "t" },
    status: { phase: "Completed", finishedAt: at },
  };
}

/** Keeps history for ten days. */
const depsOf = (store: BucketSweepDeps["store"], now: number): BucketSweepDeps =>
  ({
    store,
    clock: () => now,
    runs: { get: () => undefined, list: () => [], byIndex: () => [] },
    batches: { get: () => undefined, list: () => [] },
    config: { historySeconds: 10 * 24 * 3600, watchNamespaces: [] },
    log: pino({ level: "silent" }),
    sweepStats: { deleted: 0 },
    owners: { otherOwner: () => undefined },
  }) as unknown as BucketSweepDeps;

async function retire(store: TestStore, one: TaskRun): Promise<void> {
  await store.put(outputKey(one.metadata, 1, "p"), "x", { type: "text/plain" });
  await writeHistory(store, one);
}

const total = (requests: object): number => Object.values(requests).reduce((sum, one) => sum + one, 0);

/** Without the places of the slow scan and the entries of expiry. */
const objectsOf = (store: TestStore): string[] =>
  store.keys().filter((key) => !/^maintenance\/|\/expiry\//.test(key));

/** Requests of a round in which ten runs of so many expire, and the slow scan rests. */
async function costOf(retained: number): Promise<number> {
  let now = start;
  const store = testStore(() => now);
  for (let n = 0; n < 10; n++) await retire(store, run("n", `old-${n}`, start));
  now = start + 9 * day;
  for (let n = 0; n < retained; n++) await retire(store, run("n", `r-${n}`, now));
  now = start + 10 * day - 2 * hour;
  expect(await sweepBucket(depsOf(store, now))).toBe(0);
  now = start + 10 * day + 2 * hour;
  const before = total(store.requests);
  expect(await sweepBucket(depsOf(store, now))).toBe(10 * 4);
  return total(store.requests) - before;
}

test("a round costs the same however many runs are retained, and few requests for each that expires", async () => {
  const few = await costOf(10);
  expect(await costOf(3_000)).toBe(few);
  expect(few).toBeLessThan(20);
});

test("the slow scan reads a bounded number of pages in a round, and goes on where it was", async () => {
  const store = testStore(() => start);
  const text = { type: "text/plain" };
  for (let n = 0; n < 70_000; n++) await store.put(`ns/n/packets/${String(n).padStart(6, "0")}`, "x", text);
  const left: number[] = [];
  for (let round = 0; round < 3; round++) {
    const { list, deleteMany } = store.requests;
    await sweepBucket(depsOf(store, start + 2 * day));
    expect(store.requests.list - list).toBeLessThan(70);
    expect(store.requests.deleteMany - deleteMany).toBeLessThan(70);
    left.push(objectsOf(store).length);
  }
  // The last key of a page may belong to a folder that goes on: it is judged in the next round.
  expect(left).toEqual([10_001, 0, 0]);
});

test("what was retired before there were entries of expiry expires, too", async () => {
  const store = testStore(() => start);
  await retire(store, run("n", "r", start));
  for (const key of store.keys()) if (key.startsWith(endedPrefix("n"))) await store.delete(key);
  await store.put("ns/n/history/runs/before.json.gz", "x", { type: "text/plain" });
  await store.put("ns/n/history/index/8232774400000.before", "x", { type: "text/plain" });
  await store.put("ns/n/keys/hash", "x", { type: "text/plain" });
  await sweepBucket(depsOf(store, start + 9 * day));
  expect(objectsOf(store)).toHaveLength(6);
  for (const days of [11, 12, 13]) await sweepBucket(depsOf(store, start + days * day));
  expect(objectsOf(store)).toEqual([]);
});

test("an entry that says nothing is skipped and counted, and the others are due", async () => {
  const store = testStore(() => start);
  await retire(store, run("n", "r", start));
  await store.put(`${endedPrefix("n")}2026-01-01T00/nonsense`, "x", { type: "text/plain" });
  await store.put(`${endedPrefix("n")}nonsense`, "x", { type: "text/plain" });
  const deps = depsOf(store, start + 11 * day);
  await sweepBucket(deps);
  expect(objectsOf(store)).toEqual([]);
  expect(store.unreadable).toBeGreaterThan(0);
});

test("a namespace of which much is due keeps no other waiting", async () => {
  const store = testStore(() => start);
  for (let n = 0; n < 600; n++) await retire(store, run("a", `r-${n}`, start));
  await retire(store, run("z", "r", start));
  const order: string[] = [];
  const deleteMany: TestStore["deleteMany"] = (keys) => {
    order.push(keys[0]?.split("/", 2)[1] ?? "");
    return store.deleteMany(keys);
  };
  await sweepBucket(depsOf(new ObjectStore({ ...store, deleteMany }), start + 11 * day));
  expect(order.indexOf("z")).toBeLessThan(order.lastIndexOf("a"));
  expect(objectsOf(store)).toEqual([]);
});

test("a namespace whose objects cannot be listed or deleted keeps no other from being swept", async () => {
  const store = testStore(() => start);
  for (const name of ["a", "b", "z"]) await retire(store, run(name, "r", start));
  const failing =
    <A extends unknown[], R>(call: (...args: A) => R, of: (...args: A) => string | undefined, in_: string) =>
    (...args: A): R => {
      if (of(...args)?.startsWith(in_)) throw new Error("no answer");
      return call(...args);
    };
  const stores = new ObjectStore({
    ...store,
    list: failing(store.list, (prefix) => prefix, "ns/a/"),
    deleteMany: failing(store.deleteMany, ([first]) => first, "ns/b/"),
  });
  await sweepBucket(depsOf(stores, start + 11 * day));
  expect([...new Set(objectsOf(store).map((key) => key.split("/")[1]))]).toEqual(["a", "b"]);
});

test("a sweep ends when nothing answers", async () => {
  const store = testStore(() => start);
  for (let n = 0; n < 50; n++) await retire(store, run(`n-${n}`, "r", start));
  let asked = 0;
  const deleteMany = (): never => {
    asked++;
    throw new Error("no answer");
  };
  await expect(
    sweepBucket(depsOf(new ObjectStore({ ...store, deleteMany }), start + 11 * day)),
  ).rejects.toThrow("no answer");
  expect(asked).toBeLessThan(20);
});

test("another release's namespaces are not swept, nor those that a release does not watch", async () => {
  const store = testStore(() => start);
  for (const name of ["mine", "theirs"]) await retire(store, run(name, "r", start));
  const text = { type: "text/plain" };
  for (const name of ["mine", "theirs"]) await store.put(`ns/${name}/packets/old`, "x", text);
  const owners = { otherOwner: (name: string) => (name === "theirs" ? "other/fairlead" : undefined) };
  const deps = (days: number): BucketSweepDeps =>
    ({ ...depsOf(store, start + days * day), owners }) as unknown as BucketSweepDeps;
  for (const days of [11, 13]) await sweepBucket(deps(days));
  expect([...new Set(objectsOf(store).map((key) => key.split("/")[1]))]).toEqual(["theirs"]);
});

test.each([1, 2, 3, 4, 5, 6])(
  "a process that dies at write %i, of history or of sweeping, leaves nothing for ever",
  async (crash) => {
    let [now, writes] = [start, 0];
    const store = testStore(() => now);
    const dying =
      <A extends unknown[], R>(write: (...args: A) => R) =>
      (...args: A): R => {
        if (++writes === crash) throw new Error("died");
        return write(...args);
      };
    const mortal = new ObjectStore({
      ...store,
      put: dying(store.put),
      deleteMany: dying(store.deleteMany),
    });
    const one = run("n", "r", start);
    await store.put(outputKey(one.metadata, 1, "p"), "x", { type: "text/plain" });
    // The TaskRun is there until its history is: that is written again.
    await writeHistory(mortal, one).catch(() => writeHistory(store, one));
    expect(store.keys()).toContain(historyKey(one.metadata));
    now = start + 11 * day;
    await sweepBucket(depsOf(mortal, now)).catch(() => 0);
    await sweepBucket(depsOf(store, now + day));
    expect(store.keys().filter((key) => !key.startsWith("maintenance/"))).toEqual([]);
  },
);
