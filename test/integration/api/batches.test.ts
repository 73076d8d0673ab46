/** Batches as the API stores and shows them; the tests do what the controller would do. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { type BatchResult, batchRun } from "../../../operator/src/model/batch/item.ts";
import { keyedRunName } from "../../../operator/src/model/keys/idempotency.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { writeOutcomes, writeResults } from "../../../operator/src/storage/batchItems.ts";
import { BatchClient, linesOf, nameOf, singleUseToken } from "../../support/batchClient.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
let batches: BatchClient;
beforeAll(async () => {
  api = await ApiReplica.start();
  batches = new BatchClient(api);
});
afterAll(() => api?.stop());

describe("a sealed batch", () => {
  test("a sealed batch is not changed when all its items are sent again", async () => {
    const packet = `ns/${namespace}/packets/again/payload.json`;
    await api.store.of(namespace).put(packet, '"first"', { type: "application/json" });
    const stored = { payload: "again/payload.json", options: { payloadType: "application/store" } };
    const batch = await batches.createSealed([stored, {}]);
    const before = await batches.loadItems(batch);
    const payload = before[0]?.payloadRef?.key ?? "";
    await api.store.of(namespace).put(packet, '"second"', { type: "application/json" });
    const id = `batch_${batch.metadata.name}`;
    expect(await batches.sendItems(id, linesOf([stored, {}]))).toEqual({
      status: 200,
      answer: { id, itemsAccepted: 0, itemsDeduplicated: 2, sealed: true, expectedCount: 2 },
    });
    expect(
      Buffer.from((await api.store.of(namespace).get(payload, { maxBytes: 99 }))?.body ?? []).toString(),
    ).toBe('"first"');
    expect(await batches.loadItems(await batches.load(id))).toEqual(before);
    const { objects } = await api.store.of(namespace).list(payload.replace(/0[^/]*$/, ""), { limit: 9 });
    expect(objects).toHaveLength(1);
  });

  test.each(["v1", "v2"])(
    "a sealed batch is not changed when its key is used again for other items (%s)",
    async (version) => {
      const path = `/api/${version}/tasks/batch`;
      const idempotencyKey = `one-shot-${version}`;
      const first = await batches.post(path, {
        idempotencyKey,
        items: [{ task: "a", payload: 1 }, { task: "b" }],
      });
      const items = [{ task: "c" }, { task: "d" }, { task: "e", payload: 2 }];
      const again = await batches.post(path, { idempotencyKey, items });
      expect(again.id).toBe(first.id);
      expect(await batches.loadItems(await batches.load(first.id))).toMatchObject([
        { task: "a", payloadData: "1" },
        { task: "b" },
      ]);
      if (version === "v2") expect(again).toEqual({ id: first.id, runCount: 2 });
      else {
        const runs = ["a", "b"].map((task, index) => ({
          id: `run_${nameOf(first.id)}-${index}`,
          taskIdentifier: task,
          isCached: true,
        }));
        expect(again).toMatchObject({ isCached: true, runs });
      }
    },
  );
});

test("a batch is sealed when each of its items was received, not when their number is reached", async () => {
  const { id } = await batches.create({ runCount: 100 });
  const half = linesOf(Array(50).fill({}));
  const answer = { itemsAccepted: 50, itemsDeduplicated: 50, sealed: false, expectedCount: 100 };
  expect((await batches.sendItems(id, half + half)).answer).toMatchObject(answer);
  expect((await batches.load(id)).status?.sealedAt).toBeUndefined();
});

test("a key whose batch has no items yet is refused for another number of items", async () => {
  const path = "/api/v2/tasks/batch";
  const { id } = await batches.create({ runCount: 3, idempotencyKey: "three" });
  const { status, answer } = await batches.send(path, { idempotencyKey: "three", items: [{ task: "a" }] });
  expect(status).toBe(422);
  expect(answer.error).toContain(id);
});

describe("an aborted batch", () => {
  test("an aborted batch accepts no items", async () => {
    const { id } = await batches.create({ runCount: 1 });
    await batches.abort(id);
    const { status, answer } = await batches.sendItems(id, linesOf([{}]));
    expect(status).toBe(422);
    expect(answer.error).toContain(`${id} was aborted: Not all items`);
    expect(await batches.loadItems(await batches.load(id))).toEqual([]);
  });

  test("an aborted batch frees its key, repeatedly", async () => {
    const wanted = { runCount: 1, idempotencyKey: "aborted" };
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      const { id, isCached } = await batches.create(wanted);
      expect(isCached).toBe(false);
      ids.push(id);
      if (n < 2) await batches.abort(id);
    }
    expect(new Set(ids).size).toBe(3);
    await batches.sendItems(ids[2] ?? "", linesOf([{}]));
    expect(await batches.create(wanted)).toMatchObject({ id: ids[2], isCached: true });
  });
});

describe("a single-use token", () => {
  test("a single-use token that may trigger makes no batch", async () => {
    const { id } = await batches.create({ runCount: 1 });
    for (const scope of ["trigger:tasks", "trigger:tasks:echo"]) {
      const headers = await singleUseToken(scope);
      expect((await batches.send("/api/v3/batches", { runCount: 1 }, headers)).status).toBe(403);
      expect((await batches.sendItems(id, linesOf([{}]), headers)).status).toBe(403);
      expect((await batches.send("/api/v2/tasks/batch", { items: [{ task: "echo" }] }, headers)).status).toBe(
        403,
      );
    }
  });

  test("a single-use token for batches of one task accepts items of that task only", async () => {
    const headers = await singleUseToken("batchTrigger:tasks:echo", "trigger:tasks:other");
    const items = [{ task: "other" }];
    expect((await batches.send("/api/v2/tasks/batch", { items }, headers)).status).toBe(403);
    const { answer } = await batches.send("/api/v3/batches", { runCount: 1 }, headers);
    expect((await batches.sendItems(answer.id, linesOf(items), headers)).status).toBe(403);
    expect((await batches.sendItems(answer.id, linesOf([{}]), headers)).answer).toMatchObject({
      sealed: true,
    });
  });
});

describe("the runs of a batch", () => {
  const keyed = (task: string, text: string): string => keyedRunName(namespace, task, text, 0);

  test("the answer to a batch names the runs before they exist", async () => {
    const items = [{ task: "a" }, { task: "b", options: { idempotencyKey: "foreseen" } }];
    const { id, runs } = await batches.post("/api/v1/tasks/batch", { items });
    expect(runs).toMatchObject([{ id: `run_${nameOf(id)}-0` }, { id: `run_${keyed("b", "foreseen")}` }]);
  });

  test("a batch under way lists its existing runs in the order of its items", async () => {
    const batch = await batches.createSealed([{}, { options: { idempotencyKey: "own" } }, {}, {}]);
    const { name } = batch.metadata;
    const item = (await batches.loadItems(batch))[1] ?? {};
    await api.client.create(TaskRuns, namespace, batchRun(batch, 1, item, keyed("echo", "own")));
    await api.client.create(TaskRuns, namespace, batchRun(batch, 0, { task: "echo" }, `${name}-0`));
    const other = { ...batch, metadata: { ...batch.metadata, uid: "of-an-earlier-one" } };
    await api.client.create(TaskRuns, namespace, batchRun(other, 3, { task: "echo" }, `${name}-3`));
    await writeOutcomes(api.store, batch.metadata, [
      { index: 2, kind: "cached", run: { name: "held", uid: "u" } },
      { index: 3, kind: "rejected", message: "no" },
    ]);
    await batches.setStatus(name, {
      phase: "Processing",
      counts: { total: 4, created: 4, running: 2, completed: 0, failed: 1, canceled: 0 },
      settled: { cached: "2", rejected: "3" },
      errors: [{ index: 3, message: "no" }],
    });
    const runs = [`run_${name}-0`, `run_${keyed("echo", "own")}`, "run_held"];
    const shown = await waitFor(
      "the watch has seen them",
      async () => {
        const answer = await batches.read(`/api/v2/batches/batch_${name}`);
        return (answer.runs as string[]).length >= 3 && answer;
      },
      { timeoutMs: 10_000, intervalMs: 20 },
    );
    expect(shown).toMatchObject({
      status: "PROCESSING",
      runs,
      processing: { errors: [{ index: 3, taskIdentifier: "echo", error: "no" }] },
    });
  });

  test("a finished batch lists the runs of its results", async () => {
    const batch = await batches.createSealed([{}, {}, {}]);
    const { name } = batch.metadata;
    const run = { name: "held-too", uid: "u" };
    const results: BatchResult[] = [
      { index: 0, phase: "Completed", run: { name: `${name}-0`, uid: "u" } },
      { index: 1, phase: "Failed" },
      { index: 2, phase: "Completed", isCached: true, run },
    ];
    const resultsRef = await writeResults(api.store, batch.metadata, results);
    await batches.setStatus(name, { phase: "PartiallyFailed", resultsRef });
    expect((await batches.read(`/api/v2/batches/batch_${name}`)).runs).toEqual([
      `run_${name}-0`,
      "run_held-too",
    ]);
  });
});

test("the results of a batch include the outputs that are stored in the bucket", async () => {
  const batch = await batches.createSealed([{}, {}, {}, {}, {}]);
  const own = (name: string): string => `ns/${batch.metadata.namespace}/outputs/${name}`;
  const text = '{"json":"2026-01-01T00:00:00.000Z","meta":{"values":["Date"]}}';
  await api.store.of(namespace).put(own("typed"), text, { type: "application/super+json" });
  await api.store.of(namespace).put(own("long"), "x".repeat(20_000), { type: "text/plain" });
  const of = (index: number) => ({
    index,
    phase: "Completed" as const,
    run: { name: `r${index}`, uid: "u" },
  });
  const resultsRef = await writeResults(api.store, batch.metadata, [
    { ...of(0), output: { n: 1 }, outputRef: { key: own("none"), size: 7, type: "application/json" } },
    { ...of(1), outputRef: { key: own("long"), size: 20_000, type: "text/plain" } },
    { ...of(2), outputRef: { key: own("none"), size: 600_000, type: "application/json" } },
    {
      ...of(3),
      output: "2026-01-01T00:00:00.000Z",
      outputRef: { key: own("typed"), size: text.length, type: "application/super+json" },
    },
    // Deleted from the bucket.
    { ...of(4), outputRef: { key: own("none"), size: 7, type: "application/json" } },
  ]);
  await batches.setStatus(batch.metadata.name, { phase: "Completed", resultsRef });
  expect((await batches.read(`/api/v1/batches/batch_${batch.metadata.name}/results`)).items).toMatchObject([
    { ok: true, output: '{"n":1}', outputType: "application/json" },
    { ok: true, output: "x".repeat(20_000), outputType: "text/plain" },
    { ok: true, output: "run_r2/output", outputType: "application/store" },
    { ok: true, output: text, outputType: "application/super+json" },
    { ok: true, output: "run_r4/output", outputType: "application/store" },
  ]);
});
