/** What a round of the bucket's sweeper requests, by how much the bucket retains. */
import { pino } from "pino";
import { sweepBucket } from "../../operator/src/controller/maintenance/bucketSweeper.ts";
import type { BucketSweepDeps } from "../../operator/src/controller/maintenance/sweepRound.ts";
import { inParallel } from "../../operator/src/lib/parallel.ts";
import { apiVersion, type TaskRun } from "../../operator/src/model/resources.ts";
import { writeKeyRecord } from "../../operator/src/storage/keyRecord.ts";
import { logKey, outputKey } from "../../operator/src/storage/layout.ts";
import { ObjectStore, type RawBucket } from "../../operator/src/storage/objectStore.ts";
import { writeHistory } from "../../operator/src/storage/runHistory.ts";
import { testStore } from "../../operator/src/storage/testStore.ts";
import { ObjectStoreServer } from "../support/servers/objectStoreServer.ts";
import { countCalls } from "./countCalls.ts";

type Store = ObjectStore;

const hour = 3_600_000;
const historyHours = 30 * 24;
const expiring = 100;
/** More than the slow scan needs for the largest bucket. */
const roundsOfScan = 15;

export async function sweepBench(): Promise<void> {
  for (const retained of [1_000, 10_000, 100_000]) {
    let now = Date.UTC(2026, 0, 1);
    const clock = (): number => now;
    const later = (hours: number): void => {
      now += hours * hour;
    };
    await measure(`simulated, ${retained} retained`, testStore(clock), clock, later, retained);
  }
  const server = await ObjectStoreServer.start();
  try {
    // A bucket of its own cannot be told what time it is: its slow scan finds everything young.
    let now = Date.now() - historyHours * hour;
    const later = (hours: number): void => {
      now += hours * hour;
    };
    await measure("real S3, 1000 retained", server.bucket(), () => now, later, 1_000);
  } finally {
    await server.stop();
  }
}

async function measure(
  what: string,
  bucket: RawBucket,
  clock: () => number,
  later: (hours: number) => void,
  retained: number,
): Promise<void> {
  const take = countCalls(bucket, methods);
  const store = new ObjectStore(bucket);
  await retire(store, clock(), "old", expiring);
  later(24);
  await retire(store, clock(), "kept", retained);
  const deps = depsOf(store, clock);
  later(historyHours - 25);
  await report(`${what}, nothing expires, slow scan works`, deps, take);
  for (let round = 0; round < roundsOfScan; round++) await sweepBucket(deps);
  await report(`${what}, nothing expires, slow scan rests`, deps, take);
  later(3);
  await report(`${what}, ${expiring} expire`, deps, take);
}

async function report(
  what: string,
  deps: BucketSweepDeps,
  take: () => Record<string, number>,
): Promise<void> {
  take();
  const begun = performance.now();
  const deleted = await sweepBucket(deps);
  const ms = Math.round(performance.now() - begun);
  console.log(JSON.stringify({ what, requests: take(), deleted, ms }));
}

async function retire(store: Store, endedMs: number, name: string, count: number): Promise<void> {
  const at = new Date(endedMs).toISOString();
  await inParallel(Array.from({ length: count }, (_, n) => n).values(), 32, async (n) => {
    const run: TaskRun = {
      apiVersion,
      kind: "TaskRun",
      metadata: { namespace: "n", name: `${name}-${n}`, uid: `uid-${name}-${n}`, creationTimestamp: at },
      spec: { task: "t" },
      status: { phase: "Completed", finishedAt: at },
    };
    for (const key of [outputKey(run.metadata, 1, "p"), logKey(run.metadata, 1, "p")])
      await store.of("n").put(key, "x", { type: "text/plain" });
    await writeHistory(store, run);
    const expiresAt = new Date(endedMs + historyHours * hour).toISOString();
    const { uid } = run.metadata;
    await writeKeyRecord(store, "n", `hash-${name}-${n}`, {
      ...{
        generation: 0,
        run: { name: run.metadata.name, uid },
        phase: "Completed",
        finishedAt: at,
        expiresAt,
      },
    });
  });
}

const methods = ["delete", "deleteMany", "get", "head", "list", "put"] as const;

const depsOf = (store: Store, clock: () => number): BucketSweepDeps =>
  ({
    store,
    clock,
    runs: { get: () => undefined, list: () => [], byIndex: () => [] },
    batches: { get: () => undefined, list: () => [] },
    config: { historySeconds: historyHours * 3600, watchNamespaces: [] },
    log: pino({ level: "silent" }),
    sweepStats: { deleted: 0 },
    owners: { otherOwner: () => undefined },
  }) as unknown as BucketSweepDeps;
