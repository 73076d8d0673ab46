/** TaskBatches against a real API server and a real bucket; the tests end the runs. */
import pLimit from "p-limit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { keyedRunName } from "../../../operator/src/model/keys/idempotency.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type BatchItem, type TaskRun } from "../../../operator/src/model/resources.ts";
import { chunkSize, readItems, stageChunk } from "../../../operator/src/storage/batchItems.ts";
import { stagedChunks } from "../../support/stagedChunks.ts";
import type { BatchController } from "./batchController.ts";
import { BatchWorld, refusalOf, startServers } from "./batchWorld.ts";

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

const item = (n: number): BatchItem => ({ task: "work", payload: { n } });
const items = (count: number): BatchItem[] => Array.from({ length: count }, (_, n) => item(n));

async function completeAll(): Promise<void> {
  for (const { metadata } of await world.open()) await world.endRun(metadata.name, "Completed");
}

describe("inline items", () => {
  test("inline items become runs of the batch, and their outcomes its results", async () => {
    await world.controller();
    const { metadata } = await world.apply("three", {
      items: [item(0), { ...item(1), tags: ["mine"] }, { container: { image: "i" } }],
      defaults: { tags: ["all"], priority: 5 },
      ttlSecondsAfterFinished: 600,
    });
    const runs = await world.runsOpen(3);
    expect(runs.map((run) => run.metadata.name).sort()).toEqual(["three-0", "three-1", "three-2"]);
    const second = runs.find((run) => run.metadata.name === "three-1");
    expect(second?.metadata).toMatchObject({
      labels: { "fairlead.dev/origin": "batch", "fairlead.dev/batch": "three" },
      ownerReferences: [{ kind: "TaskBatch", name: "three", uid: metadata.uid, controller: true }],
    });
    expect(second?.spec).toEqual({
      task: "work",
      payload: { n: 1 },
      tags: ["mine"],
      priority: 5,
      batch: { name: "three", index: 1 },
      ttlSecondsAfterFinished: 600,
    });
    await world.endRun("three-0", "Completed", { output: { ok: true } });
    await world.endRun("three-1", "Failed", { error: { name: "Bad", message: "no funds" } });
    await world.endRun("three-2", "Completed");
    const batch = await world.finished("three");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      reason: "ItemsFailed",
      counts: { total: 3, created: 3, running: 0, completed: 2, failed: 1, canceled: 0 },
    });
    expect(batch.status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
      "Finished=True",
      "Complete=False",
      "Failed=True",
    ]);
    expect(await world.results(batch)).toMatchObject([
      { index: 0, run: { name: "three-0" }, phase: "Completed", task: "work", output: { ok: true } },
      { index: 1, phase: "Failed", error: { message: "no funds" } },
      { index: 2, phase: "Completed" },
    ]);
  });

  test("a batch has at most maxConcurrency unfinished runs, and creates the next when one ends", async () => {
    await world.controller();
    await world.apply("few", { items: items(9), maxConcurrency: 2 });
    for (let ended = 0; ended < 9; ended++) {
      const open = await world.runsOpen(Math.min(2, 9 - ended));
      expect((await world.runs()).length).toBe(Math.min(9, ended + 2));
      await world.endRun(open[0]?.metadata.name ?? "", "Completed");
    }
    expect((await world.finished("few")).status).toMatchObject({
      phase: "Completed",
      counts: { completed: 9 },
    });
  });

  test("an invalid item fails alone", async () => {
    await world.controller();
    const bad = { task: "work", container: { image: "i" } };
    await world.apply("mixed", { items: [item(0), bad, item(2)] });
    await world.runsOpen(2);
    await completeAll();
    const batch = await world.finished("mixed");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      counts: { total: 3, completed: 2, failed: 1 },
      errors: [{ index: 1, message: expect.stringMatching(/exactly one of spec\.task/) }],
    });
    expect((await world.results(batch))[1]).toMatchObject({
      phase: "Failed",
      error: { name: "InvalidItem" },
    });
  });

  test("items that are added after processing began get no run", async () => {
    await world.controller();
    await world.apply("edited", { items: items(4), maxConcurrency: 1 });
    await world.runsOpen(1);
    await world.change("edited", { items: [...items(3), item(99)] });
    await world.endRun("edited-0", "Completed");
    const { status } = await world.finished("edited");
    expect(status).toMatchObject({
      phase: "PartiallyFailed",
      reason: "ItemsChanged",
      counts: { completed: 1, failed: 3 },
      message: expect.stringContaining("create another TaskBatch"),
    });
    expect(await world.runs()).toHaveLength(1);
  });

  test("a batch without items finishes at once", async () => {
    await world.controller();
    await world.apply("empty", { items: [] });
    expect((await world.finished("empty")).status).toMatchObject({ phase: "Completed" });
  });

  test("the API server refuses an invalid batch", async () => {
    const refused = (spec: object) => world.apply("no", spec).then(String, refusalOf);
    expect(await refused({})).toMatch(/set spec\.items, spec\.itemsRef, or spec\.expectedCount/);
    expect(await refused({ items: [], itemsRef: { key: "k" } })).toMatch(/at most one of spec\.items/);
    expect(await refused({ items: items(1001) })).toMatch(/spec\.items.*at most 1000/);
    await world.apply("one-way", { items: items(1), cancelRequested: true });
    expect(await world.change("one-way", { cancelRequested: null }).then(String, refusalOf)).toMatch(
      /cancelRequested cannot be taken back/,
    );
  });
});

describe("items in the bucket", () => {
  const lines = (list: readonly unknown[]): string => list.map((one) => `${JSON.stringify(one)}\n`).join("");
  const put = (key: string, body: string) => world.store.put(key, body, { type: "application/x-ndjson" });

  test("items of one object become runs, and a malformed line and an unknown field fail alone", async () => {
    await world.controller();
    await put("in/a", `${lines(items(60))}{"task":\n${lines([{ task: "work", colour: "red" }])}`);
    await world.apply("ref", { itemsRef: { key: "in/a" } });
    await world.runsOpen(60);
    await put("in/a", lines(items(3)));
    await completeAll();
    const batch = await world.finished("ref");
    expect(batch.status?.counts).toMatchObject({ total: 62, completed: 60, failed: 2 });
    expect(batch.status?.errors).toMatchObject([
      { index: 60, message: expect.stringContaining("not valid JSON") },
      { index: 61, message: expect.stringContaining("colour") },
    ]);
  });

  test("a large payload stays in the bucket", async () => {
    await world.controller();
    const text = "x".repeat(20_000);
    await put("in/long", lines([{ task: "work", payload: { text } }, { task: "work" }]));
    await world.apply("long", { itemsRef: { key: "in/long" }, defaults: { payload: "y".repeat(9000) } });
    const runs = await world.runsOpen(2);
    const stored = runs.map(({ spec }) => spec.payloadRef);
    expect(stored.map((ref) => ref?.size).sort()).toEqual([20_011, 9_002]);
    const got = await world.store.get(stored[0]?.key ?? "", { maxBytes: 30_000 });
    expect(JSON.parse(new TextDecoder().decode(got?.body))).toEqual({ text });
    expect(runs.every(({ spec }) => spec.payload === undefined)).toBe(true);
  });

  test.each([
    ["too many", () => lines(items(1001)), "TooManyItems", /spec\.itemsRef.*1001 items.*at most 1000/],
    [
      "too large in all",
      () => lines(Array.from({ length: 11 }, () => ({ task: "work", payload: "x".repeat(1024 * 1024) }))),
      "PayloadTooLarge",
      /spec\.itemsRef.*11534358 bytes.*at most 10485760/,
    ],
    ["not there", undefined, "ItemsNotFound", /spec\.itemsRef\.key.*in\/x/],
  ])("a batch whose items are %s is aborted", async (_what, body, reason, message) => {
    await world.controller();
    if (body) await put("in/x", body());
    else await world.store.delete("in/x");
    await world.apply("bad", { itemsRef: { key: "in/x" } });
    const { status } = await world.finished("bad");
    expect(status).toMatchObject({ phase: "Aborted", reason, message: expect.stringMatching(message) });
    expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "Failed", status: "True" }));
  });
});

describe("items received in two phases", () => {
  test("a batch of 1,000 received items is staged once, sealed, created, counted and finished", async () => {
    const controller = await world.controller();
    const batch = await world.apply("big", { expectedCount: 1000 });
    await world.until("big", "is Receiving", ({ status }) => status?.phase === "Receiving");
    const all = items(1000);
    for (let chunk = 0; chunk < 20; chunk++) {
      const part = all.slice(chunk * chunkSize, (chunk + 1) * chunkSize);
      expect(await stageChunk(world.store, batch.metadata, chunk, part)).toBe("stored");
      expect(await stageChunk(world.store, batch.metadata, chunk, [item(0)])).toBe("there");
    }
    expect(await stagedChunks(world.store, batch.metadata)).toHaveLength(20);
    await world.seal("big");
    const runs = await world.runsOpen(1000);
    expect(runs.find(({ metadata }) => metadata.name === "big-777")?.spec.payload).toEqual({ n: 777 });
    await world.until("big", "is counted", ({ status }) => status?.counts?.running === 1000);
    await nothingToDo(controller, "big");
    await pLimit(16).map(Array(1000).keys(), (n) => world.endRun(`big-${n}`, "Completed", { output: n }));
    const done = await world.finished("big", 60_000);
    expect(done.status).toMatchObject({ phase: "Completed", counts: { completed: 1000 } });
    expect((await world.results(done)).map(({ output }) => output)).toEqual(all.map((_, n) => n));
    const statusWrites = controller.writes.filter((what) => what.includes("TaskBatch"));
    expect(statusWrites.length).toBeLessThan(60);
    expect(JSON.stringify(done.status).length).toBeLessThan(2_000);
    const read: number[] = [];
    for await (const { index } of readItems(world.store, done)) read.push(index);
    expect(read).toHaveLength(1000);
  });

  /** Reconciling a batch in which nothing changed reads and writes nothing. */
  async function nothingToDo(controller: BatchController, name: string): Promise<void> {
    const { deps, reconciles } = controller;
    const writes = controller.writes.length;
    const reads: string[] = [];
    const { get, list } = deps.client;
    const { get: getObject } = deps.store;
    Object.assign(deps.client, { get: () => reads.push("get"), list: () => reads.push("list") });
    Object.assign(deps.store, { get: () => reads.push("object") });
    controller.enqueue(world.namespace, name);
    await waitFor("the batch was looked at", () => controller.reconciles > reconciles, {
      timeoutMs: 5_000,
    });
    Object.assign(deps.client, { get, list });
    Object.assign(deps.store, { get: getObject });
    expect([reads, controller.writes.slice(writes)]).toEqual([[], []]);
  }

  test("a batch that received fewer items than expected is aborted", async () => {
    await world.controller();
    const { metadata } = await world.apply("less", { expectedCount: 3 });
    await stageChunk(world.store, metadata, 0, items(2));
    await world.seal("less");
    expect((await world.finished("less")).status).toMatchObject({
      phase: "Aborted",
      reason: "ItemsIncomplete",
      message: "the received items: there are 2 items, but spec.expectedCount is 3.",
    });
  });

  test("a batch that is not sealed an hour after its creation is aborted", async () => {
    let aheadMs = 3500_000;
    const controller = await world.controller({ aheadMs: () => aheadMs });
    await world.apply("late", { expectedCount: 3 });
    await world.until("late", "is Receiving", ({ status }) => status?.phase === "Receiving");
    aheadMs = 3601_000;
    controller.enqueue(world.namespace, "late");
    expect((await world.finished("late")).status).toMatchObject({ phase: "Aborted", reason: "NotSealed" });
  });
});

describe("cancelRequested", () => {
  test("a canceled batch creates nothing more, cancels every unfinished run, and waits for them", async () => {
    await world.controller();
    await world.apply("stop", { items: items(6), maxConcurrency: 3 });
    await world.runsOpen(3);
    await world.endRun("stop-0", "Completed");
    await waitFor("the fourth run", async () => (await world.runs()).length === 4, { timeoutMs: 10_000 });
    await world.change("stop", { cancelRequested: true });
    await waitFor(
      "all are asked",
      async () => (await world.open()).every(({ spec }) => spec.cancelRequested),
      { timeoutMs: 10_000 },
    );
    expect((await world.batch("stop")).status?.phase).toBe("Processing");
    for (const { metadata } of await world.open()) await world.endRun(metadata.name, "Canceled");
    const batch = await world.finished("stop");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      reason: "Canceled",
      counts: { total: 6, completed: 1, canceled: 5, failed: 0 },
    });
    expect((await world.results(batch)).map(({ phase, run }) => `${phase} ${run?.name}`)).toEqual([
      "Completed stop-0",
      "Canceled stop-1",
      "Canceled stop-2",
      "Canceled stop-3",
      "Canceled undefined",
      "Canceled undefined",
    ]);
  });

  test("a batch that is canceled before anything was created ends at once", async () => {
    await world.controller();
    await world.apply("never", { items: items(2), cancelRequested: true });
    expect((await world.finished("never")).status?.counts).toMatchObject({ total: 2, canceled: 2 });
    await world.apply("unsealed", { expectedCount: 2 });
    await world.change("unsealed", { cancelRequested: true });
    expect((await world.finished("unsealed")).status?.reason).toBe("Canceled");
    expect(await world.runs()).toEqual([]);
  });
});

describe("concurrent changes by others", () => {
  test("a run that a user deleted is not created again", async () => {
    await world.controller();
    await world.apply("deleted", { items: items(3) });
    await world.until("deleted", "has all", ({ status }) => status?.createdThrough === 3);
    await world.deleteRun("deleted-1");
    await completeAll();
    const batch = await world.finished("deleted");
    expect(batch.status?.counts).toMatchObject({ completed: 2, canceled: 1 });
    expect((await world.results(batch))[1]).toMatchObject({ phase: "Canceled" });
  });

  test("a foreign run with an item's name fails that item", async () => {
    await world.client.create(TaskRuns, world.namespace, {
      apiVersion,
      kind: "TaskRun",
      metadata: { name: "clash-1", namespace: world.namespace },
      spec: { task: "other" },
    } as TaskRun);
    await world.controller();
    await world.apply("clash", { items: items(2) });
    await waitFor("its run", async () => (await world.runs()).length === 2, { timeoutMs: 10_000 });
    await world.endRun("clash-0", "Completed");
    const { status } = await world.finished("clash");
    expect(status?.errors).toMatchObject([{ index: 1, message: expect.stringContaining("clash-1") }]);
  });
});

describe("an item with an idempotency key", () => {
  const keyed = (n: number): BatchItem => ({ ...item(n), idempotencyKey: "k" });
  const nameOf = (generation: number) => keyedRunName(world.namespace, "work", "k", generation);

  test("an item with an idempotency key runs once under the key's name, and a second one has its result", async () => {
    await world.controller();
    await world.apply("first", { items: [keyed(0), item(1), keyed(2)] });
    await world.runsOpen(2);
    await world.apply("second", { items: [keyed(0)] });
    await world.until("second", "waits", ({ status }) => status?.settled?.cached === "0");
    await world.endRun(nameOf(0), "Completed", { output: 7 });
    await world.endRun("first-1", "Completed");
    const first = await world.finished("first");
    const second = await world.finished("second");
    expect([first, second].map(({ status }) => status?.phase)).toEqual(["Completed", "Completed"]);
    const ofFirst = (await world.results(first)).filter(({ index }) => index !== 1);
    const stands = { run: { name: nameOf(0) }, output: 7, phase: "Completed" };
    expect(ofFirst).toMatchObject([stands, stands]);
    expect(ofFirst.filter(({ isCached }) => isCached)).toHaveLength(1);
    expect(await world.results(second)).toMatchObject([{ ...stands, isCached: true }]);
  });

  test("an item with an idempotency key takes the next generation when the previous run failed", async () => {
    await world.controller();
    await world.apply("first", { items: [keyed(0)] });
    await world.runsOpen(1);
    await world.endRun(nameOf(0), "Failed");
    await world.finished("first");
    await world.apply("second", { items: [keyed(0)] });
    const [run] = await world.runsOpen(1);
    expect(run?.metadata.name).toBe(nameOf(1));
    expect(run?.spec.idempotencyKeyGeneration).toBe(1);
  });
});
