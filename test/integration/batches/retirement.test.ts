/**
 * How finished TaskBatches are retired, against a real API server and a real bucket; the tests end the runs.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskBatches } from "../../../operator/src/model/kinds.ts";
import type { BatchItem } from "../../../operator/src/model/resources.ts";
import { readBatchHistory } from "../../../operator/src/storage/batchHistory.ts";
import { BatchHarness, startServers } from "./batchHarness.ts";

let servers: Awaited<ReturnType<typeof startServers>>;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers?.stop());

let harness: BatchHarness;
beforeEach(async () => {
  harness = await BatchHarness.create(servers);
});
afterEach(() => harness.close());

const items = (count: number): BatchItem[] =>
  Array.from({ length: count }, (_, n) => ({ task: "work", payload: { n } }));

async function completeAll(): Promise<void> {
  for (const { metadata } of await harness.listOpenRuns()) await harness.endRun(metadata.name, "Completed");
}

async function untilRetired(name: string): Promise<void> {
  const exists = async (): Promise<boolean> =>
    (await harness.client.get(TaskBatches, harness.namespace, name)) !== undefined;
  await waitFor(`TaskBatch ${name} is retired`, async () => !(await exists()), { timeoutMs: 10_000 });
}

test("a finished batch is retired after its ttl, once its runs are in history", async () => {
  await harness.startController();
  await harness.apply("brief", { items: items(2), ttlSecondsAfterFinished: 0 });
  await harness.untilRunsOpen(2);
  await completeAll();
  await harness.untilFinished("brief");
  await harness.deleteRun("brief-0");
  await waitFor("one run is left", async () => (await harness.listRuns()).length === 1, { timeoutMs: 5_000 });
  expect((await harness.loadBatch("brief")).status?.phase).toBe("Completed");
  await harness.deleteRun("brief-1");
  await untilRetired("brief");
});

test("a retired batch that is applied again has its old results and runs nothing", async () => {
  await harness.startController();
  const spec = { items: items(2), ttlSecondsAfterFinished: 0 };
  const first = await harness.apply("repeated", spec);
  await harness.untilRunsOpen(2);
  await completeAll();
  for (const name of ["repeated-0", "repeated-1"]) await harness.deleteRun(name);
  await untilRetired("repeated");
  const record = await readBatchHistory(harness.store, harness.namespace, "repeated");
  expect(record).toMatchObject({
    metadata: { uid: first.metadata.uid },
    spec,
    status: { phase: "Completed" },
  });
  for (const cancelRequested of [false, true]) {
    // Kept for longer, so that it can be read.
    await harness.apply("repeated", { ...spec, cancelRequested, ttlSecondsAfterFinished: 600 });
    const again = await harness.untilFinished("repeated");
    expect(again.status).toMatchObject({
      phase: "Completed",
      reason: "Duplicate",
      counts: { total: 2, completed: 2 },
    });
    expect(await harness.loadResults(again)).toHaveLength(2);
    expect(await harness.listRuns()).toEqual([]);
    await harness.change("repeated", { ttlSecondsAfterFinished: 0 });
    await untilRetired("repeated");
    expect(await readBatchHistory(harness.store, harness.namespace, "repeated")).toEqual(record);
  }
});

test("a finished batch of the API is retired after the retention time, and an applied one is kept", async () => {
  await harness.startController({ retentionSeconds: 0 });
  await harness.apply("mine", { items: [] });
  await harness.apply("theirs", { items: [] }, { "fairlead.dev/origin": "api" });
  await untilRetired("theirs");
  expect((await harness.untilFinished("mine")).status?.phase).toBe("Completed");
});
