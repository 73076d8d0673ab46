/**
 * How finished TaskBatches are retired, against a real API server and a real bucket; the tests end the runs.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskBatches } from "../../../operator/src/model/kinds.ts";
import type { BatchItem } from "../../../operator/src/model/resources.ts";
import { readBatchHistory } from "../../../operator/src/storage/batchHistory.ts";
import { BatchWorld, startServers } from "./batchWorld.ts";

let servers: Awaited<ReturnType<typeof startServers>>;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers?.stop());

let world: BatchWorld;
beforeEach(async () => {
  world = await BatchWorld.create(servers);
});
afterEach(() => world.end());

const items = (count: number): BatchItem[] =>
  Array.from({ length: count }, (_, n) => ({ task: "work", payload: { n } }));

async function completeAll(): Promise<void> {
  for (const { metadata } of await world.open()) await world.endRun(metadata.name, "Completed");
}

async function untilRetired(name: string): Promise<void> {
  const exists = async (): Promise<boolean> =>
    (await world.client.get(TaskBatches, world.namespace, name)) !== undefined;
  await waitFor(`TaskBatch ${name} is retired`, async () => !(await exists()), { timeoutMs: 10_000 });
}

test("a finished batch is retired after its ttl, once its runs are in history", async () => {
  await world.controller();
  await world.apply("brief", { items: items(2), ttlSecondsAfterFinished: 0 });
  await world.runsOpen(2);
  await completeAll();
  await world.finished("brief");
  await world.deleteRun("brief-0");
  await waitFor("one run is left", async () => (await world.runs()).length === 1, { timeoutMs: 5_000 });
  expect((await world.batch("brief")).status?.phase).toBe("Completed");
  await world.deleteRun("brief-1");
  await untilRetired("brief");
});

test("a retired batch that is applied again has its old results and runs nothing", async () => {
  await world.controller();
  const spec = { items: items(2), ttlSecondsAfterFinished: 0 };
  const first = await world.apply("repeated", spec);
  await world.runsOpen(2);
  await completeAll();
  for (const name of ["repeated-0", "repeated-1"]) await world.deleteRun(name);
  await untilRetired("repeated");
  const record = await readBatchHistory(world.store, world.namespace, "repeated");
  expect(record).toMatchObject({
    metadata: { uid: first.metadata.uid },
    spec,
    status: { phase: "Completed" },
  });
  for (const cancelRequested of [false, true]) {
    // Kept for longer, so that it can be read.
    await world.apply("repeated", { ...spec, cancelRequested, ttlSecondsAfterFinished: 600 });
    const again = await world.finished("repeated");
    expect(again.status).toMatchObject({
      phase: "Completed",
      reason: "Duplicate",
      counts: { total: 2, completed: 2 },
    });
    expect(await world.results(again)).toHaveLength(2);
    expect(await world.runs()).toEqual([]);
    await world.change("repeated", { ttlSecondsAfterFinished: 0 });
    await untilRetired("repeated");
    expect(await readBatchHistory(world.store, world.namespace, "repeated")).toEqual(record);
  }
});

test("a finished batch of the API is retired after the retention time, and an applied one is kept", async () => {
  await world.controller({ retentionSeconds: 0 });
  await world.apply("mine", { items: [] });
  await world.apply("theirs", { items: [] }, { "fairlead.dev/origin": "api" });
  await untilRetired("theirs");
  expect((await world.finished("mine")).status?.phase).toBe("Completed");
});
