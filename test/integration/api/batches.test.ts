/** Batches as the API keeps and tells them; what the controller would do, the tests do. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { publicToken } from "../../../operator/src/api/auth/auth.ts";
import { type BatchResult, batchRun } from "../../../operator/src/model/batch/item.ts";
import { keyedRunName } from "../../../operator/src/model/keys/idempotency.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { BatchItem, TaskBatch, TaskBatchStatus } from "../../../operator/src/model/resources.ts";
import { writeBatchHistory } from "../../../operator/src/storage/batchHistory.ts";
import { readItems, writeResults, writeSettled } from "../../../operator/src/storage/batchItems.ts";
import { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

type Answer = Record<string, unknown> & { id: string };

async function send(path: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await api.fetch(path, { method: "POST", body: text, headers });
  return { status: response.status, answer: (await response.json()) as Answer };
}
const post = async (path: string, body: unknown, headers?: Record<string, string>): Promise<Answer> => {
  const { status, answer } = await send(path, body, headers);
  expect(status, JSON.stringify(answer)).toBeLessThan(300);
  return answer;
};
const read = async (path: string) => (await (await api.fetch(path)).json()) as Answer;

const ndjson = { "content-type": "application/x-ndjson" };
const nameOf = (id: string): string => id.replace(/^batch_/, "");
const linesOf = (items: readonly object[]): string =>
  items.map((item, index) => `${JSON.stringify({ index, task: "echo", ...item })}\n`).join("");
const create = (body: object) => post("/api/v3/batches", body);
const stream = (id: string, lines: string, headers: Record<string, string> = {}) =>
  send(`/api/v3/batches/${id}/items`, lines, { ...ndjson, ...headers });

async function batchOf(id: string): Promise<TaskBatch> {
  const batch = await api.client.get(TaskBatches, namespace, nameOf(id));
  if (!batch) throw new Error(`${id} is not there`);
  return batch;
}
async function itemsOf(batch: TaskBatch): Promise<(BatchItem | undefined)[]> {
  const items = [];
  for await (const { item } of readItems(api.store, batch)) items.push(item);
  return items;
}
/** As the controller does. */
async function setStatus(id: string, status: TaskBatchStatus): Promise<void> {
  const options = { type: "merge", subresource: "status" } as const;
  await api.client.patch(TaskBatches, namespace, nameOf(id), { status }, options);
}
const abort = (id: string) => setStatus(id, { phase: "Aborted", message: "Not all items were received." });
const sealed = async (items: readonly object[]): Promise<TaskBatch> => {
  const { id } = await create({ runCount: items.length });
  expect((await stream(id, linesOf(items))).answer).toMatchObject({ sealed: true });
  return batchOf(id);
};

describe("a sealed batch", () => {
  test("a sealed batch is not changed when all its items are sent again", async () => {
    const packet = `ns/${namespace}/packets/again/payload.json`;
    await api.store.put(packet, '"first"', { type: "application/json" });
    const stored = { payload: "again/payload.json", options: { payloadType: "application/store" } };
    const batch = await sealed([stored, {}]);
    const before = await itemsOf(batch);
    const payload = before[0]?.payloadRef?.key ?? "";
    await api.store.put(packet, '"second"', { type: "application/json" });
    const id = `batch_${batch.metadata.name}`;
    expect(await stream(id, linesOf([stored, {}]))).toEqual({
      status: 200,
      answer: { id, itemsAccepted: 0, itemsDeduplicated: 2, sealed: true, expectedCount: 2 },
    });
    expect(Buffer.from((await api.store.get(payload, { maxBytes: 99 }))?.body ?? []).toString()).toBe(
      '"first"',
    );
    expect(await itemsOf(await batchOf(id))).toEqual(before);
    const { objects } = await api.store.list(payload.replace(/0[^/]*$/, ""), { limit: 9 });
    expect(objects).toHaveLength(1);
  });

  test.each(["v1", "v2"])(
    "a sealed batch is not changed when its key is used again for other items (%s)",
    async (version) => {
      const path = `/api/${version}/tasks/batch`;
      const idempotencyKey = `one-shot-${version}`;
      const first = await post(path, { idempotencyKey, items: [{ task: "a", payload: 1 }, { task: "b" }] });
      const items = [{ task: "c" }, { task: "d" }, { task: "e", payload: 2 }];
      const again = await post(path, { idempotencyKey, items });
      expect(again.id).toBe(first.id);
      expect(await itemsOf(await batchOf(first.id))).toMatchObject([
        { task: "a", payloadData: "1" },
        { task: "b" },
      ]);
      if (version === "v2") expect(again).toEqual({ id: first.id, runCount: 2 });
      else {
        const runs = ["a", "b"].map((task, index) => ({
          ...{ id: `run_${nameOf(first.id)}-${index}`, taskIdentifier: task, isCached: true },
        }));
        expect(again).toMatchObject({ isCached: true, runs });
      }
    },
  );
});

test("a batch is sealed when each of its items was received, not when their number is reached", async () => {
  const { id } = await create({ runCount: 100 });
  const half = linesOf(Array(50).fill({}));
  const answer = { itemsAccepted: 50, itemsDeduplicated: 50, sealed: false, expectedCount: 100 };
  expect((await stream(id, half + half)).answer).toMatchObject(answer);
  expect((await batchOf(id)).status?.sealedAt).toBeUndefined();
});

test("a key whose batch has no items yet is refused for another number of items", async () => {
  const path = "/api/v2/tasks/batch";
  const { id } = await create({ runCount: 3, idempotencyKey: "three" });
  const { status, answer } = await send(path, { idempotencyKey: "three", items: [{ task: "a" }] });
  expect(status).toBe(422);
  expect(answer.error).toContain(id);
});

describe("an aborted batch", () => {
  test("an aborted batch accepts no items", async () => {
    const { id } = await create({ runCount: 1 });
    await abort(id);
    const { status, answer } = await stream(id, linesOf([{}]));
    expect(status).toBe(422);
    expect(answer.error).toContain(`${id} was aborted: Not all items`);
    expect(await itemsOf(await batchOf(id))).toEqual([]);
  });

  test("an aborted batch frees its key, repeatedly", async () => {
    const wanted = { runCount: 1, idempotencyKey: "aborted" };
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { id, isCached } = await create(wanted);
      expect(isCached).toBe(false);
      ids.push(id);
      if (n < 2) await abort(id);
    }
    expect(new Set(ids).size).toBe(3);
    await stream(ids[2] ?? "", linesOf([{}]));
    expect(await create(wanted)).toMatchObject({ id: ids[2], isCached: true });
  });
});

const token = async (...scopes: string[]) => {
  const text = await publicToken({ namespace, key }, scopes, { oneTime: true });
  return { authorization: `Bearer ${text}` };
};

describe("a retired batch", () => {
  /** As the controller does; `resource` false: up to there. */
  const retire = async (id: string, { resource = true } = {}): Promise<void> => {
    const batch = await batchOf(id);
    await writeBatchHistory(api.store, batch);
    if (resource) await api.client.delete(TaskBatches, namespace, nameOf(id), { uid: batch.metadata.uid });
  };
  const finish = async (id: string): Promise<void> => {
    const { metadata } = await batchOf(id);
    const results: BatchResult[] = [
      { index: 0, phase: "Completed", run: { name: "r0", uid: "u" }, output: 7 },
    ];
    const resultsRef = await writeResults(api.store, metadata, results);
    await setStatus(id, { phase: "Completed", finishedAt: "2026-01-01T00:00:00Z", resultsRef });
  };
  const batchesNamed = async (id: string) =>
    (await api.client.list(TaskBatches, namespace)).items.filter(
      ({ metadata }) => metadata.name === nameOf(id),
    );

  test("a retired batch reads as before, and accepts no items", async () => {
    const batch = await sealed([{}]);
    const id = `batch_${batch.metadata.name}`;
    await finish(id);
    const paths = [`/api/v2/batches/${id}`, `/api/v1/batches/${id}/results`];
    const before = await Promise.all(paths.map(read));
    await retire(id);
    expect(await Promise.all(paths.map(read))).toEqual(before);
    expect(before[1]?.items).toMatchObject([{ ok: true, id: "run_r0", output: "7" }]);
    expect((await stream(id, linesOf([{}]))).answer).toMatchObject({ itemsAccepted: 0, sealed: true });
  });

  test("a retired batch keeps its key, however often it is used", async () => {
    const wanted = { runCount: 1, idempotencyKey: "went" };
    const { id } = await create(wanted);
    await stream(id, linesOf([{}]));
    await finish(id);
    await retire(id);
    for (let n = 0; n < 2; n++) {
      expect(await create(wanted)).toMatchObject({ id, isCached: true });
      expect(await batchesNamed(id)).toEqual([]);
    }
    const items = [{ task: "echo" }];
    expect(await post("/api/v2/tasks/batch", { ...wanted, items })).toEqual({ id, runCount: 1 });
    expect(await batchesNamed(id)).toEqual([]);
  });

  test("a retired batch frees its key when the key expires", async () => {
    const path = "/api/v1/tasks/batch";
    const body = { items: [{ task: "echo" }] };
    const headers = { "idempotency-key": "short", "idempotency-key-ttl": "1h" };
    const first = await post(path, body, headers);
    expect(await post(path, body, headers)).toMatchObject({ id: first.id, isCached: true });
    await finish(first.id);
    // Nobody can wait that long: it was made two hours ago, as history has it.
    const batch = await batchOf(first.id);
    const creationTimestamp = new Date(Date.now() - 2 * 3600 * 1000).toISOString();
    await writeBatchHistory(api.store, { ...batch, metadata: { ...batch.metadata, creationTimestamp } });
    await api.client.delete(TaskBatches, namespace, nameOf(first.id));
    const second = await post(path, body, headers);
    expect(second).toMatchObject({ isCached: false });
    expect(second.id).not.toBe(first.id);
    expect(await post(path, body, headers)).toMatchObject({ id: second.id, isCached: true });
  });

  test("a retired batch is found even if a call with its key died halfway", async () => {
    const wanted = { runCount: 1, idempotencyKey: "died" };
    const { id } = await create(wanted);
    await stream(id, linesOf([{}]));
    await finish(id);
    const { apiVersion, kind, metadata, spec } = await batchOf(id);
    const { name, annotations } = metadata;
    await retire(id);
    // It made the batch, and did not come to look whether there was one.
    const again = { apiVersion, kind, metadata: { name, namespace, annotations }, spec };
    await api.client.create(TaskBatches, namespace, again as TaskBatch);
    expect((await read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
    expect((await stream(id, linesOf([{}]))).answer).toMatchObject({ itemsAccepted: 0, sealed: true });
    expect((await batchOf(id)).status?.sealedAt).toBeUndefined();
    await setStatus(id, { phase: "Aborted", finishedAt: "2026-02-01T00:00:00Z" });
    expect((await read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
    await retire(id);
    expect(await create(wanted)).toMatchObject({ id, isCached: true });
    expect((await read(`/api/v2/batches/${id}`)).status).toBe("COMPLETED");
  });

  test("a batch keeps its key while it is both a resource and in history", async () => {
    const wanted = { runCount: 1, idempotencyKey: "both" };
    const { id } = await create(wanted);
    await stream(id, linesOf([{}]));
    await finish(id);
    await retire(id, { resource: false });
    expect(await create(wanted)).toMatchObject({ id, isCached: true });
    expect(await batchesNamed(id)).toHaveLength(1);
  });

  test("a batch that was canceled before it received items accepts none", async () => {
    const wanted = { runCount: 1, idempotencyKey: "canceled" };
    const { id } = await create(wanted);
    await setStatus(id, { phase: "PartiallyFailed", reason: "Canceled", finishedAt: "2026-01-01T00:00:00Z" });
    for (const resource of [false, true]) {
      expect(await create(wanted)).toMatchObject({ id, isCached: true });
      expect((await stream(id, linesOf([{}]))).answer).toMatchObject({ itemsAccepted: 0, sealed: true });
      await retire(id, { resource });
    }
    expect(await create({ ...wanted, runCount: 2 })).toMatchObject({ id, isCached: true });
  });

  test("a batch whose results were deleted from the bucket says so", async () => {
    const batch = await sealed([{}]);
    const id = `batch_${batch.metadata.name}`;
    const resultsRef = { key: "none", size: 9 };
    await setStatus(id, { phase: "Completed", finishedAt: "2026-01-01T00:00:00Z", resultsRef });
    const response = await api.fetch(`/api/v1/batches/${id}/results`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: "The batch's results are not kept any more" });
  });

  test("a retired aborted batch has freed its key for exactly one other batch", async () => {
    const wanted = { runCount: 1, idempotencyKey: "aborted-and-went" };
    const { id } = await create(wanted);
    await abort(id);
    const second = await create(wanted);
    expect(second.id).not.toBe(id);
    await stream(second.id, linesOf([{}]));
    await retire(id);
    expect(await create(wanted)).toMatchObject({ id: second.id, isCached: true });
  });

  test("a single-use token makes no other batch after its batch was retired", async () => {
    const headers = await token("batchTrigger:tasks");
    const { id } = await post("/api/v3/batches", { runCount: 1 }, headers);
    await stream(id, linesOf([{}]), headers);
    await finish(id);
    await retire(id);
    expect((await post("/api/v3/batches", { runCount: 1 }, headers)).id).toBe(id);
    expect(await batchesNamed(id)).toEqual([]);
  });
});

describe("a single-use token", () => {
  test("a single-use token that may trigger makes no batch", async () => {
    const { id } = await create({ runCount: 1 });
    for (const scope of ["trigger:tasks", "trigger:tasks:echo"]) {
      const headers = await token(scope);
      expect((await send("/api/v3/batches", { runCount: 1 }, headers)).status).toBe(403);
      expect((await stream(id, linesOf([{}]), headers)).status).toBe(403);
      expect((await send("/api/v2/tasks/batch", { items: [{ task: "echo" }] }, headers)).status).toBe(403);
    }
  });

  test("a single-use token for batches of one task accepts items of that task only", async () => {
    const headers = await token("batchTrigger:tasks:echo", "trigger:tasks:other");
    const items = [{ task: "other" }];
    expect((await send("/api/v2/tasks/batch", { items }, headers)).status).toBe(403);
    const { answer } = await send("/api/v3/batches", { runCount: 1 }, headers);
    expect((await stream(answer.id, linesOf(items), headers)).status).toBe(403);
    expect((await stream(answer.id, linesOf([{}]), headers)).answer).toMatchObject({ sealed: true });
  });
});

describe("the runs of a batch", () => {
  const keyed = (task: string, text: string): string => keyedRunName(namespace, task, text, 0);

  test("the answer to a batch names the runs before they exist", async () => {
    const items = [{ task: "a" }, { task: "b", options: { idempotencyKey: "foreseen" } }];
    const { id, runs } = await post("/api/v1/tasks/batch", { items });
    expect(runs).toMatchObject([{ id: `run_${nameOf(id)}-0` }, { id: `run_${keyed("b", "foreseen")}` }]);
  });

  test("a batch under way lists its existing runs in the order of its items", async () => {
    const batch = await sealed([{}, { options: { idempotencyKey: "own" } }, {}, {}]);
    const { name } = batch.metadata;
    const item = (await itemsOf(batch))[1] ?? {};
    await api.client.create(TaskRuns, namespace, batchRun(batch, 1, item, keyed("echo", "own")));
    await api.client.create(TaskRuns, namespace, batchRun(batch, 0, { task: "echo" }, `${name}-0`));
    const other = { ...batch, metadata: { ...batch.metadata, uid: "of-an-earlier-one" } };
    await api.client.create(TaskRuns, namespace, batchRun(other, 3, { task: "echo" }, `${name}-3`));
    await writeSettled(api.store, batch.metadata, [
      { index: 2, kind: "cached", run: { name: "held", uid: "u" } },
      { index: 3, kind: "rejected", message: "no" },
    ]);
    await setStatus(name, {
      phase: "Processing",
      counts: { total: 4, created: 4, running: 2, completed: 0, failed: 1, canceled: 0 },
      settled: { cached: "2", rejected: "3" },
      errors: [{ index: 3, message: "no" }],
    });
    const runs = [`run_${name}-0`, `run_${keyed("echo", "own")}`, "run_held"];
    const told = await waitFor(
      "the watch has seen them",
      async () => {
        const answer = await read(`/api/v2/batches/batch_${name}`);
        return (answer.runs as string[]).length >= 3 && answer;
      },
      { timeoutMs: 10_000, intervalMs: 20 },
    );
    expect(told).toMatchObject({
      status: "PROCESSING",
      runs,
      processing: { errors: [{ index: 3, taskIdentifier: "echo", error: "no" }] },
    });
  });

  test("a finished batch lists the runs of its results", async () => {
    const batch = await sealed([{}, {}, {}]);
    const { name } = batch.metadata;
    const run = { name: "held-too", uid: "u" };
    const results: BatchResult[] = [
      { index: 0, phase: "Completed", run: { name: `${name}-0`, uid: "u" } },
      { index: 1, phase: "Failed" },
      { index: 2, phase: "Completed", isCached: true, run },
    ];
    const resultsRef = await writeResults(api.store, batch.metadata, results);
    await setStatus(name, { phase: "PartiallyFailed", resultsRef });
    expect((await read(`/api/v2/batches/batch_${name}`)).runs).toEqual([`run_${name}-0`, "run_held-too"]);
  });
});

test("the results of a batch include the outputs that are stored in the bucket", async () => {
  const batch = await sealed([{}, {}, {}, {}, {}]);
  const text = '{"json":"2026-01-01T00:00:00.000Z","meta":{"values":["Date"]}}';
  await api.store.put("outputs/typed", text, { type: "application/super+json" });
  await api.store.put("outputs/long", "x".repeat(20_000), { type: "text/plain" });
  const of = (index: number) => ({
    index,
    phase: "Completed" as const,
    run: { name: `r${index}`, uid: "u" },
  });
  const resultsRef = await writeResults(api.store, batch.metadata, [
    { ...of(0), output: { n: 1 }, outputRef: { key: "none", size: 7, type: "application/json" } },
    { ...of(1), outputRef: { key: "outputs/long", size: 20_000, type: "text/plain" } },
    { ...of(2), outputRef: { key: "none", size: 600_000, type: "application/json" } },
    {
      ...of(3),
      output: "2026-01-01T00:00:00.000Z",
      outputRef: { key: "outputs/typed", size: text.length, type: "application/super+json" },
    },
    // Not kept any more.
    { ...of(4), outputRef: { key: "none", size: 7, type: "application/json" } },
  ]);
  await setStatus(batch.metadata.name, { phase: "Completed", resultsRef });
  expect((await read(`/api/v1/batches/batch_${batch.metadata.name}/results`)).items).toMatchObject([
    { ok: true, output: '{"n":1}', outputType: "application/json" },
    { ok: true, output: "x".repeat(20_000), outputType: "text/plain" },
    { ok: true, output: "run_r2/output", outputType: "application/store" },
    { ok: true, output: text, outputType: "application/super+json" },
    { ok: true, output: "run_r4/output", outputType: "application/store" },
  ]);
});

/** A bucket that answers every request with the next of these, the last one for ever. */
async function putAgainst(...statuses: number[]): Promise<{ outcome: unknown; requests: number }> {
  let requests = 0;
  const server = createServer((request, response) => {
    const status = statuses[Math.min(requests++, statuses.length - 1)] ?? 500;
    request.resume().on("end", () => response.writeHead(status).end());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const s3 = { endpoint, bucket: "test", region: "us-east-1", forcePathStyle: true };
  const store = new ObjectStore({ s3, credentials: { accessKeyId: "a", secretAccessKey: "b" } });
  const outcome = await store.putNew("k", "x", { type: "text/plain" }).catch((error: unknown) => error);
  server.close();
  server.closeAllConnections();
  return { outcome, requests };
}

test("a write that another one is in the way of is tried again; it is not there until the bucket says so", async () => {
  expect(await putAgainst(409, 200)).toEqual({ outcome: true, requests: 2 });
  expect(await putAgainst(409, 409, 412)).toEqual({ outcome: false, requests: 3 });
  expect(await putAgainst(412)).toEqual({ outcome: false, requests: 1 });
  expect(await putAgainst(409)).toEqual({ outcome: expect.any(Error), requests: 5 });
});
