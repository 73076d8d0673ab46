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
import { BatchHarness, refusalOf, startServers } from "./batchHarness.ts";

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

const item = (n: number): BatchItem => ({ task: "work", payload: { n } });
const items = (count: number): BatchItem[] => Array.from({ length: count }, (_, n) => item(n));

async function completeAll(): Promise<void> {
  for (const { metadata } of await harness.listOpenRuns()) await harness.endRun(metadata.name, "Completed");
}

describe("inline items", () => {
  test("inline items become runs of the batch, and their outcomes its results", async () => {
    await harness.startController();
    const { metadata } = await harness.apply("three", {
      items: [item(0), { ...item(1), tags: ["mine"] }, { container: { image: "i" } }],
      defaults: { tags: ["all"], priority: 5 },
      ttlSecondsAfterFinished: 600,
    });
    const runs = await harness.untilRunsOpen(3);
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
    await harness.endRun("three-0", "Completed", { output: { ok: true } });
    await harness.endRun("three-1", "Failed", { error: { name: "Bad", message: "no funds" } });
    await harness.endRun("three-2", "Completed");
    const batch = await harness.untilFinished("three");
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
    expect(await harness.loadResults(batch)).toMatchObject([
      { index: 0, run: { name: "three-0" }, phase: "Completed", task: "work", output: { ok: true } },
      { index: 1, phase: "Failed", error: { message: "no funds" } },
      { index: 2, phase: "Completed" },
    ]);
  });

  test("a batch has at most maxConcurrency unfinished runs, and creates the next when one ends", async () => {
    await harness.startController();
    await harness.apply("few", { items: items(9), maxConcurrency: 2 });
    for (let ended = 0; ended < 9; ended++) {
      const open = await harness.untilRunsOpen(Math.min(2, 9 - ended));
      expect((await harness.listRuns()).length).toBe(Math.min(9, ended + 2));
      await harness.endRun(open[0]?.metadata.name ?? "", "Completed");
    }
    expect((await harness.untilFinished("few")).status).toMatchObject({
      phase: "Completed",
      counts: { completed: 9 },
    });
  });

  test("an invalid item fails alone", async () => {
    await harness.startController();
    const bad = { task: "work", container: { image: "i" } };
    await harness.apply("mixed", { items: [item(0), bad, item(2)] });
    await harness.untilRunsOpen(2);
    await completeAll();
    const batch = await harness.untilFinished("mixed");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      counts: { total: 3, completed: 2, failed: 1 },
      errors: [{ index: 1, message: expect.stringMatching(/exactly one of spec\.task/) }],
    });
    expect((await harness.loadResults(batch))[1]).toMatchObject({
      phase: "Failed",
      error: { name: "InvalidItem" },
    });
  });

  test("items that are added after processing began get no run", async () => {
    await harness.startController();
    await harness.apply("edited", { items: items(4), maxConcurrency: 1 });
    await harness.untilRunsOpen(1);
    await harness.change("edited", { items: [...items(3), item(99)] });
    await harness.endRun("edited-0", "Completed");
    const { status } = await harness.untilFinished("edited");
    expect(status).toMatchObject({
      phase: "PartiallyFailed",
      reason: "ItemsChanged",
      counts: { completed: 1, failed: 3 },
      message: expect.stringContaining("create another TaskBatch"),
    });
    expect(await harness.listRuns()).toHaveLength(1);
  });

  test("a batch without items finishes at once", async () => {
    await harness.startController();
    await harness.apply("empty", { items: [] });
    expect((await harness.untilFinished("empty")).status).toMatchObject({ phase: "Completed" });
  });

  test("the API server refuses an invalid batch", async () => {
    const refused = (spec: object) => harness.apply("no", spec).then(String, refusalOf);
    expect(await refused({})).toMatch(/set spec\.items, spec\.itemsRef, or spec\.expectedCount/);
    expect(await refused({ items: [], itemsRef: { key: "k" } })).toMatch(/at most one of spec\.items/);
    expect(await refused({ items: items(1001) })).toMatch(/spec\.items.*at most 1000/);
    await harness.apply("one-way", { items: items(1), cancelRequested: true });
    expect(await harness.change("one-way", { cancelRequested: null }).then(String, refusalOf)).toMatch(
      /cancelRequested cannot be taken back/,
    );
  });
});

describe("items in the bucket", () => {
  const lines = (list: readonly unknown[]): string => list.map((one) => `${JSON.stringify(one)}\n`).join("");
  const own = (name: string): string => `ns/${harness.namespace}/in/${name}`;
  const put = (name: string, body: string) =>
    harness.store.of(harness.namespace).put(own(name), body, { type: "application/x-ndjson" });

  test("items of one object become runs, and a malformed line and an unknown field fail alone", async () => {
    await harness.startController();
    await put("a", `${lines(items(60))}{"task":\n${lines([{ task: "work", colour: "red" }])}`);
    await harness.apply("ref", { itemsRef: { key: own("a") } });
    await harness.untilRunsOpen(60);
    await put("a", lines(items(3)));
    await completeAll();
    const batch = await harness.untilFinished("ref");
    expect(batch.status?.counts).toMatchObject({ total: 62, completed: 60, failed: 2 });
    expect(batch.status?.errors).toMatchObject([
      { index: 60, message: expect.stringContaining("not valid JSON") },
      { index: 61, message: expect.stringContaining("colour") },
    ]);
  });

  test("a large payload stays in the bucket", async () => {
    await harness.startController();
    const text = "x".repeat(20_000);
    await put("long", lines([{ task: "work", payload: { text } }, { task: "work" }]));
    await harness.apply("long", { itemsRef: { key: own("long") }, defaults: { payload: "y".repeat(9000) } });
    const runs = await harness.untilRunsOpen(2);
    const stored = runs.map(({ spec }) => spec.payloadRef);
    expect(stored.map((ref) => ref?.size).sort()).toEqual([20_011, 9_002]);
    const got = await harness.store.of(harness.namespace).get(stored[0]?.key ?? "", { maxBytes: 30_000 });
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
    await harness.startController();
    if (body) await put("x", body());
    else await harness.store.of(harness.namespace).delete(own("x"));
    await harness.apply("bad", { itemsRef: { key: own("x") } });
    const { status } = await harness.untilFinished("bad");
    expect(status).toMatchObject({ phase: "Aborted", reason, message: expect.stringMatching(message) });
    expect(status?.conditions).toContainEqual(expect.objectContaining({ type: "Failed", status: "True" }));
  });
});

describe("items of somebody else", () => {
  test.each(["ns/team-b/history/secret", "ns/NAMESPACE/../team-b/secret", "ns/NAMESPACE/a//b", "secret"])(
    "a batch that names %s is aborted, and quotes nothing of it",
    async (key) => {
      const named = key.replace("NAMESPACE", harness.namespace);
      if (named.startsWith("ns/team-b/"))
        await harness.store.of("team-b").put(named, '"card=41111', { type: "text/plain" });
      await harness.startController();
      await harness.apply("foreign", { itemsRef: { key: named } });
      const { status } = await harness.untilFinished("foreign");
      expect(status).toMatchObject({ phase: "Aborted", reason: "InvalidItems" });
      expect(status?.message).toContain("spec.itemsRef.key");
      expect(JSON.stringify(status)).not.toContain("41111");
    },
  );
});

describe("items received in two phases", () => {
  test("a batch of 1,000 received items is staged once, sealed, created, counted and finished", async () => {
    const controller = await harness.startController();
    const batch = await harness.apply("big", { expectedCount: 1000 });
    await harness.until("big", "is Receiving", ({ status }) => status?.phase === "Receiving");
    const all = items(1000);
    for (let chunk = 0; chunk < 20; chunk++) {
      const part = all.slice(chunk * chunkSize, (chunk + 1) * chunkSize);
      expect(await stageChunk(harness.store, batch.metadata, chunk, part)).toBe("stored");
      expect(await stageChunk(harness.store, batch.metadata, chunk, [item(0)])).toBe("there");
    }
    expect(await stagedChunks(harness.store, batch.metadata)).toHaveLength(20);
    await harness.seal("big");
    const runs = await harness.untilRunsOpen(1000);
    expect(runs.find(({ metadata }) => metadata.name === "big-777")?.spec.payload).toEqual({ n: 777 });
    await harness.until("big", "is counted", ({ status }) => status?.counts?.running === 1000);
    await nothingToDo(controller, "big");
    await pLimit(16).map(Array(1000).keys(), (n) => harness.endRun(`big-${n}`, "Completed", { output: n }));
    const done = await harness.untilFinished("big", 60_000);
    expect(done.status).toMatchObject({ phase: "Completed", counts: { completed: 1000 } });
    expect((await harness.loadResults(done)).map(({ output }) => output)).toEqual(all.map((_, n) => n));
    const statusWrites = controller.writes.filter((what) => what.includes("TaskBatch"));
    expect(statusWrites.length).toBeLessThan(60);
    expect(JSON.stringify(done.status).length).toBeLessThan(2_000);
    const read: number[] = [];
    for await (const { index } of readItems(harness.store, done)) read.push(index);
    expect(read).toHaveLength(1000);
  });

  /** Reconciling a batch in which nothing changed reads and writes nothing. */
  async function nothingToDo(controller: BatchController, name: string): Promise<void> {
    const { deps, reconciles } = controller;
    const writes = controller.writes.length;
    const reads: string[] = [];
    const { get, list } = deps.client;
    Object.assign(deps.client, { get: () => reads.push("get"), list: () => reads.push("list") });
    const { store } = deps;
    Object.assign(deps, { store: { of: () => reads.push("object") } });
    controller.enqueue(harness.namespace, name);
    await waitFor("the batch was looked at", () => controller.reconciles > reconciles, {
      timeoutMs: 5_000,
    });
    Object.assign(deps.client, { get, list });
    Object.assign(deps, { store });
    expect([reads, controller.writes.slice(writes)]).toEqual([[], []]);
  }

  test("a batch that received fewer items than expected is aborted", async () => {
    await harness.startController();
    const { metadata } = await harness.apply("less", { expectedCount: 3 });
    await stageChunk(harness.store, metadata, 0, items(2));
    await harness.seal("less");
    expect((await harness.untilFinished("less")).status).toMatchObject({
      phase: "Aborted",
      reason: "ItemsIncomplete",
      message: "the received items: there are 2 items, but spec.expectedCount is 3.",
    });
  });

  test("a batch that is not sealed an hour after its creation is aborted", async () => {
    let aheadMs = 3500_000;
    const controller = await harness.startController({ aheadMs: () => aheadMs });
    await harness.apply("late", { expectedCount: 3 });
    await harness.until("late", "is Receiving", ({ status }) => status?.phase === "Receiving");
    aheadMs = 3601_000;
    controller.enqueue(harness.namespace, "late");
    expect((await harness.untilFinished("late")).status).toMatchObject({
      phase: "Aborted",
      reason: "NotSealed",
    });
  });
});

describe("cancelRequested", () => {
  test("a canceled batch creates nothing more, cancels every unfinished run, and waits for them", async () => {
    await harness.startController();
    await harness.apply("stop", { items: items(6), maxConcurrency: 3 });
    await harness.untilRunsOpen(3);
    await harness.endRun("stop-0", "Completed");
    await waitFor("the fourth run", async () => (await harness.listRuns()).length === 4, {
      timeoutMs: 10_000,
    });
    await harness.change("stop", { cancelRequested: true });
    await waitFor(
      "all are asked",
      async () => (await harness.listOpenRuns()).every(({ spec }) => spec.cancelRequested),
      { timeoutMs: 10_000 },
    );
    expect((await harness.loadBatch("stop")).status?.phase).toBe("Processing");
    for (const { metadata } of await harness.listOpenRuns()) await harness.endRun(metadata.name, "Canceled");
    const batch = await harness.untilFinished("stop");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      reason: "Canceled",
      counts: { total: 6, completed: 1, canceled: 5, failed: 0 },
    });
    expect((await harness.loadResults(batch)).map(({ phase, run }) => `${phase} ${run?.name}`)).toEqual([
      "Completed stop-0",
      "Canceled stop-1",
      "Canceled stop-2",
      "Canceled stop-3",
      "Canceled undefined",
      "Canceled undefined",
    ]);
  });

  test("a batch that is canceled before anything was created ends at once", async () => {
    await harness.startController();
    await harness.apply("never", { items: items(2), cancelRequested: true });
    expect((await harness.untilFinished("never")).status?.counts).toMatchObject({ total: 2, canceled: 2 });
    await harness.apply("unsealed", { expectedCount: 2 });
    await harness.change("unsealed", { cancelRequested: true });
    expect((await harness.untilFinished("unsealed")).status?.reason).toBe("Canceled");
    expect(await harness.listRuns()).toEqual([]);
  });
});

describe("concurrent changes by others", () => {
  test("a run that a user deleted is not created again", async () => {
    await harness.startController();
    await harness.apply("deleted", { items: items(3) });
    await harness.until("deleted", "has all", ({ status }) => status?.createdThrough === 3);
    await harness.deleteRun("deleted-1");
    await completeAll();
    const batch = await harness.untilFinished("deleted");
    expect(batch.status?.counts).toMatchObject({ completed: 2, canceled: 1 });
    expect((await harness.loadResults(batch))[1]).toMatchObject({ phase: "Canceled" });
  });

  test("a foreign run with an item's name fails that item", async () => {
    await harness.client.create(TaskRuns, harness.namespace, {
      apiVersion,
      kind: "TaskRun",
      metadata: { name: "clash-1", namespace: harness.namespace },
      spec: { task: "other" },
    } as TaskRun);
    await harness.startController();
    await harness.apply("clash", { items: items(2) });
    await waitFor("its run", async () => (await harness.listRuns()).length === 2, { timeoutMs: 10_000 });
    await harness.endRun("clash-0", "Completed");
    const { status } = await harness.untilFinished("clash");
    expect(status?.errors).toMatchObject([{ index: 1, message: expect.stringContaining("clash-1") }]);
  });
});

describe("an item with an idempotency key", () => {
  const keyed = (n: number): BatchItem => ({ ...item(n), idempotencyKey: "k" });
  const nameOf = (generation: number) => keyedRunName(harness.namespace, "work", "k", generation);

  test("an item with an idempotency key runs once under the key's name, and a second one has its result", async () => {
    await harness.startController();
    await harness.apply("first", { items: [keyed(0), item(1), keyed(2)] });
    await harness.untilRunsOpen(2);
    await harness.apply("second", { items: [keyed(0)] });
    await harness.until("second", "waits", ({ status }) => status?.settled?.cached === "0");
    await harness.endRun(nameOf(0), "Completed", { output: 7 });
    await harness.endRun("first-1", "Completed");
    const first = await harness.untilFinished("first");
    const second = await harness.untilFinished("second");
    expect([first, second].map(({ status }) => status?.phase)).toEqual(["Completed", "Completed"]);
    const ofFirst = (await harness.loadResults(first)).filter(({ index }) => index !== 1);
    const stands = { run: { name: nameOf(0) }, output: 7, phase: "Completed" };
    expect(ofFirst).toMatchObject([stands, stands]);
    expect(ofFirst.filter(({ isCached }) => isCached)).toHaveLength(1);
    expect(await harness.loadResults(second)).toMatchObject([{ ...stands, isCached: true }]);
  });

  test("an item with an idempotency key takes the next generation when the previous run failed", async () => {
    await harness.startController();
    await harness.apply("first", { items: [keyed(0)] });
    await harness.untilRunsOpen(1);
    await harness.endRun(nameOf(0), "Failed");
    await harness.untilFinished("first");
    await harness.apply("second", { items: [keyed(0)] });
    const [run] = await harness.untilRunsOpen(1);
    expect(run?.metadata.name).toBe(nameOf(1));
    expect(run?.spec.idempotencyKeyGeneration).toBe(1);
  });
});
