/** `@fairlead/sdk` as the client of our API on the cluster. */
import {
  auth,
  batch,
  configure,
  idempotencyKeys,
  queues,
  runs,
  schedules,
  type Task,
  tasks,
} from "@fairlead/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { queueOnDemand, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

type Echo = Task<"echo", unknown, unknown>;

let ns: TestNamespace;
let api: ApiAccess;
beforeAll(async () => {
  ns = await TestNamespace.create("sdk");
  await ns.apply(...["echo", "throws", "sleep"].map((id) => testTask(id)));
  api = await ApiAccess.open(ns.name);
  configure({ baseURL: api.url, secretKey: api.key });
});
afterAll(async () => {
  await api?.close();
  await ns?.remove();
});

const quick = { pollIntervalMs: 200 };

test("triggerAndPoll returns the output, and types that JSON lacks survive in both directions", async () => {
  const typed = {
    at: new Date(0),
    n: 1,
    big: 2n ** 70n,
    map: new Map([["a", new Set([1])]]),
    none: undefined,
  };
  const run = await tasks.triggerAndPoll<Echo>("echo", typed, { ...quick, tags: ["mine"] });
  expect(run).toMatchObject({ status: "COMPLETED", tags: ["mine"] });
  expect([run.payload, run.output]).toEqual([typed, typed]);
  expect(run.finishedAt).toBeInstanceOf(Date);
});

test("a payload of 200 KB is uploaded and downloaded through a port-forward alone", async () => {
  const text = "x".repeat(200_000);
  const run = await tasks.triggerAndPoll<Echo>("echo", { text }, quick);
  expect(run.output).toEqual({ text });
});

test("a delayed run is moved, canceled, listed and replayed", async () => {
  const { id } = await tasks.trigger<Echo>("echo", { n: 2 }, { delay: "1h", tags: "later" });
  const moved = await runs.reschedule(id, { delay: new Date(Date.now() + 7_200_000) });
  expect(moved.delayedUntil?.getTime()).toBeGreaterThan(Date.now() + 3_600_000);
  await runs.cancel(id);
  expect((await runs.poll(id, quick)).status).toBe("CANCELED");
  await waitFor(
    "it is listed",
    async () => (await runs.list({ tag: "later", status: "CANCELED" })).data[0]?.id === id,
    {
      timeoutMs: 10_000,
    },
  );
  const again = await runs.replay(id);
  expect((await runs.poll(again.id, quick)).output).toEqual({ n: 2 });
});

test("an idempotency key lets a task run once, until the key is reset", async () => {
  const idempotencyKey = await idempotencyKeys.create(["order", "7"]);
  const first = await tasks.trigger<Echo>("echo", 1, { idempotencyKey });
  expect(await tasks.trigger<Echo>("echo", 2, { idempotencyKey })).toMatchObject({
    id: first.id,
    isCached: true,
  });
  await idempotencyKeys.reset("echo", ["order", "7"]);
  expect((await tasks.trigger<Echo>("echo", 3, { idempotencyKey })).id).not.toBe(first.id);
});

test("a batch runs at most maxConcurrency runs at once", async () => {
  const items = Array.from({ length: 6 }, (_, n) => ({ payload: { n } }));
  const { batchId } = await tasks.batchTrigger<Echo>("echo", items, { maxConcurrency: 2 });
  const ended = await waitFor(
    "the batch ends",
    async () => {
      const now = await batch.retrieve(batchId);
      return now.status === "COMPLETED" ? now : undefined;
    },
    { timeoutMs: 60_000, intervalMs: 300 },
  );
  expect(ended.runs).toHaveLength(6);
  expect((await runs.retrieve(ended.runs[5] ?? "")).output).toEqual({ n: 5 });
});

test("subscribeToRun yields a run's states as they change", async () => {
  const { id } = await tasks.trigger("sleep", { ms: 300 });
  const statuses: string[] = [];
  for await (const run of runs.subscribe(id)) statuses.push(run.status);
  expect(statuses.at(-1)).toBe("COMPLETED");
  expect(statuses.length).toBeGreaterThan(1);
});

test("queues and schedules can be listed, changed and deleted", async () => {
  expect(await queues.pause({ type: "task", name: "echo" })).toMatchObject({ paused: true });
  expect(await queues.resume({ type: "task", name: "echo" })).toMatchObject({ paused: false });
  await ns.apply(queueOnDemand("mail/eu"));
  expect(await queues.overrideConcurrencyLimit("queue_mail/eu", 2)).toMatchObject({ concurrencyLimit: 2 });
  const made = await schedules.create({ task: "echo", cron: "0 9 * * *", deduplicationKey: "d" });
  expect((await schedules.deactivate(made.id)).active).toBe(false);
  await schedules.del(made.id);
});

test("a public token may read its run and nothing else", async () => {
  const { id } = await tasks.trigger<Echo>("echo", {});
  const accessToken = await auth.createPublicToken({ scopes: { read: { runs: id } } });
  await auth.withAuth({ accessToken }, async () => {
    expect((await runs.retrieve(id)).id).toBe(id);
    await expect(runs.cancel(id)).rejects.toMatchObject({ status: 403 });
  });
});
