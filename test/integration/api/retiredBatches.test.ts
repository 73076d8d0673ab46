/**
 * Batches that are in history: what the API shows of them, and what their keys lead to. The tests retire
 * them.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BatchResult } from "../../../operator/src/model/batch/item.ts";
import { TaskBatches } from "../../../operator/src/model/kinds.ts";
import type { TaskBatch } from "../../../operator/src/model/resources.ts";
import { writeBatchHistory } from "../../../operator/src/storage/batchHistory.ts";
import { writeResults } from "../../../operator/src/storage/batchItems.ts";
import { BatchClient, linesOf, nameOf, singleUseToken } from "../../support/batchClient.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
let batches: BatchClient;
beforeAll(async () => {
  api = await ApiReplica.start();
  batches = new BatchClient(api);
});
afterAll(() => api?.stop());

/** As the controller does; without `resource` up to the deletion of the resource. */
const retire = async (id: string, { resource = true } = {}): Promise<void> => {
  const batch = await batches.load(id);
  await writeBatchHistory(api.store, batch);
  if (resource) await api.client.delete(TaskBatches, namespace, nameOf(id), { uid: batch.metadata.uid });
};
const finishBatch = async (id: string): Promise<void> => {
  const { metadata } = await batches.load(id);
  const results: BatchResult[] = [{ index: 0, phase: "Completed", run: { name: "r0", uid: "u" }, output: 7 }];
  const resultsRef = await writeResults(api.store, metadata, results);
  await batches.setStatus(id, { phase: "Completed", finishedAt: "2026-01-01T00:00:00Z", resultsRef });
};
const batchesNamed = async (id: string) =>
  (await api.client.list(TaskBatches, namespace)).items.filter(
    ({ metadata }) => metadata.name === nameOf(id),
  );

test("a retired batch reads as before, and accepts no items", async () => {
  const batch = await batches.createSealed([{}]);
  const id = `batch_${batch.metadata.name}`;
  await finishBatch(id);
  const paths = [`/api/v2/batches/${id}`, `/api/v1/batches/${id}/results`];
  const before = await Promise.all(paths.map((path) => batches.read(path)));
  await retire(id);
  expect(await Promise.all(paths.map((path) => batches.read(path)))).toEqual(before);
  expect(before[1]?.items).toMatchObject([{ ok: true, id: "run_r0", output: "7" }]);
  expect((await batches.sendItems(id, linesOf([{}]))).answer).toMatchObject({
    itemsAccepted: 0,
    sealed: true,
  });
});

test("a retired batch keeps its key, however often it is used", async () => {
  const wanted = { runCount: 1, idempotencyKey: "retired" };
  const { id } = await batches.create(wanted);
  await batches.sendItems(id, linesOf([{}]));
  await finishBatch(id);
  await retire(id);
  for (let n = 0; n < 2; n++) {
    expect(await batches.create(wanted)).toMatchObject({ id, isCached: true });
    expect(await batchesNamed(id)).toEqual([]);
  }
  const items = [{ task: "echo" }];
  expect(await batches.post("/api/v2/tasks/batch", { ...wanted, items })).toEqual({ id, runCount: 1 });
  expect(await batchesNamed(id)).toEqual([]);
});

test("a retired batch frees its key when the key expires", async () => {
  const path = "/api/v1/tasks/batch";
  const body = { items: [{ task: "echo" }] };
  const headers = { "idempotency-key": "short", "idempotency-key-ttl": "1h" };
  const first = await batches.post(path, body, headers);
  expect(await batches.post(path, body, headers)).toMatchObject({ id: first.id, isCached: true });
  await finishBatch(first.id);
  // Instead of waiting for two hours, history says that it was created then.
  const batch = await batches.load(first.id);
  const creationTimestamp = new Date(Date.now() - 2 * 3600 * 1000).toISOString();
  await writeBatchHistory(api.store, { ...batch, metadata: { ...batch.metadata, creationTimestamp } });
  await api.client.delete(TaskBatches, namespace, nameOf(first.id));
  const second = await batches.post(path, body, headers);
  expect(second).toMatchObject({ isCached: false });
  expect(second.id).not.toBe(first.id);
  expect(await batches.post(path, body, headers)).toMatchObject({ id: second.id, isCached: true });
});

test("a retired batch is found even if a call with its key died halfway", async () => {
  const wanted = { runCount: 1, idempotencyKey: "died" };
  const { id } = await batches.create(wanted);
  await batches.sendItems(id, linesOf([{}]));
  await finishBatch(id);
  const { apiVersion, kind, metadata, spec } = await batches.load(id);
  const { name, annotations } = metadata;
  await retire(id);
  // The call created the batch and died before it looked for a retired one.
  const again = { apiVersion, kind, metadata: { name, namespace, annotations }, spec };
  await api.client.create(TaskBatches, namespace, again as TaskBatch);
  expect((await batches.read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
  expect((await batches.sendItems(id, linesOf([{}]))).answer).toMatchObject({
    itemsAccepted: 0,
    sealed: true,
  });
  expect((await batches.load(id)).status?.sealedAt).toBeUndefined();
  await batches.setStatus(id, { phase: "Aborted", finishedAt: "2026-02-01T00:00:00Z" });
  expect((await batches.read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
  await retire(id);
  expect(await batches.create(wanted)).toMatchObject({ id, isCached: true });
  expect((await batches.read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
});

test("a batch keeps its key while it is both a resource and in history", async () => {
  const wanted = { runCount: 1, idempotencyKey: "both" };
  const { id } = await batches.create(wanted);
  await batches.sendItems(id, linesOf([{}]));
  await finishBatch(id);
  await retire(id, { resource: false });
  expect(await batches.create(wanted)).toMatchObject({ id, isCached: true });
  expect(await batchesNamed(id)).toHaveLength(1);
});

test("a batch that was canceled before it received items accepts none", async () => {
  const wanted = { runCount: 1, idempotencyKey: "canceled" };
  const { id } = await batches.create(wanted);
  await batches.setStatus(id, {
    phase: "PartiallyFailed",
    reason: "Canceled",
    finishedAt: "2026-01-01T00:00:00Z",
  });
  for (const resource of [false, true]) {
    expect(await batches.create(wanted)).toMatchObject({ id, isCached: true });
    expect((await batches.sendItems(id, linesOf([{}]))).answer).toMatchObject({
      itemsAccepted: 0,
      sealed: true,
    });
    await retire(id, { resource });
  }
  expect(await batches.create({ ...wanted, runCount: 2 })).toMatchObject({ id, isCached: true });
});

test("a batch whose results were deleted from the bucket says so", async () => {
  const batch = await batches.createSealed([{}]);
  const id = `batch_${batch.metadata.name}`;
  const resultsRef = { key: `ns/${batch.metadata.namespace}/batches/gone/results`, size: 9 };
  await batches.setStatus(id, { phase: "Completed", finishedAt: "2026-01-01T00:00:00Z", resultsRef });
  const response = await api.fetch(`/api/v1/batches/${id}/results`);
  expect(response.status).toBe(404);
  expect(await response.json()).toEqual({ error: "The batch's results were deleted" });
});

test("a retired aborted batch has freed its key for exactly one other batch", async () => {
  const wanted = { runCount: 1, idempotencyKey: "aborted-and-retired" };
  const { id } = await batches.create(wanted);
  await batches.abort(id);
  const second = await batches.create(wanted);
  expect(second.id).not.toBe(id);
  await batches.sendItems(second.id, linesOf([{}]));
  await retire(id);
  expect(await batches.create(wanted)).toMatchObject({ id: second.id, isCached: true });
});

test("a single-use token makes no other batch after its batch was retired", async () => {
  const headers = await singleUseToken("batchTrigger:tasks");
  const { id } = await batches.post("/api/v3/batches", { runCount: 1 }, headers);
  await batches.sendItems(id, linesOf([{}]), headers);
  await finishBatch(id);
  await retire(id);
  expect((await batches.post("/api/v3/batches", { runCount: 1 }, headers)).id).toBe(id);
  expect(await batchesNamed(id)).toEqual([]);
});
