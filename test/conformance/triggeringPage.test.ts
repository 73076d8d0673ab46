/**
 * Trigger.dev's page on triggering, about triggering from outside a task, its functions and its limits: one
 * test for each sentence. Options are in triggeringOptions.test.ts, schedules in test/e2e/schedules.test.ts.
 */
import {
  auth,
  batch,
  configure,
  type OutputOf,
  queues,
  runs,
  schedules,
  type Task,
  task,
  tasks,
} from "@fairlead/sdk";
import { afterAll, beforeAll, describe, expect, expectTypeOf, test, vi } from "vitest";
import type { helloWorld } from "../../examples/hello-world/src/tasks.ts";
import { waitFor } from "../../hack/lib/wait.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { imageOf, queueOnDemand, task as taskManifest, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

/** Ids of the tasks that this process defined, in place of one that runs them. */
const registered = vi.hoisted(() => {
  const ids: string[] = [];
  const catalog = { registerTaskMetadata: ({ id }: { id: string }) => ids.push(id) };
  Object.assign(globalThis, { [Symbol.for("dev.trigger.ts.api")]: { "resource-catalog": catalog } });
  return ids;
});

type Echo = Task<"echo", unknown, unknown>;
type Sleep = Task<"sleep", { ms: number }, { sleptMs: number }>;

const quick = { pollIntervalMs: 200 };
const MiB = 1024 * 1024;

/** Tasks defined in this process; their runs execute on the cluster. */
let ranHere = 0;
const echo = task({ id: "echo", run: (payload: { n: number }) => ({ ...payload, here: ++ranHere }) });
const sleep = task({ id: "sleep", run: (_payload: { ms: number }) => ++ranHere });

let ns: TestNamespace;
let api: ApiAccess;
beforeAll(async () => {
  ns = await TestNamespace.create("triggering");
  await ns.apply(
    ...["echo", "sleep", "throws", "big-output"].map((id) => testTask(id)),
    taskManifest("hello-world", { image: imageOf("hello-world") }),
  );
  api = await ApiAccess.open(ns.name);
  configure({ baseURL: api.url, secretKey: api.key });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await api?.close();
  await ns?.remove();
});

/** Ids of a batch's runs, once it has all of them. */
const runsOf = (batchId: string): Promise<string[]> =>
  waitFor(
    `batch ${batchId} has its runs`,
    async () => {
      const now = await batch.retrieve(batchId);
      return now.runs.length === now.runCount ? now.runs : undefined;
    },
    { timeoutMs: 60_000, intervalMs: 200 },
  );

describe("tasks.…, anywhere", () => {
  test("tasks.trigger returns a handle that the run can be fetched with", async () => {
    const { id } = await tasks.trigger<Echo>("echo", { n: 1 });
    expect(await runs.retrieve(id)).toMatchObject({ id, taskIdentifier: "echo", payload: { n: 1 } });
    expect((await runs.poll(id, quick)).output).toEqual({ n: 1 });
  });

  test("tasks.trigger returns a handle that the run can be managed with", async () => {
    const { id } = await tasks.trigger<Sleep>("sleep", { ms: 120_000 });
    await waitFor("it executes", async () => (await runs.retrieve(id)).status === "EXECUTING", {
      timeoutMs: 60_000,
      intervalMs: 200,
    });
    await runs.cancel(id);
    expect(await runs.poll(id, quick)).toMatchObject({ status: "CANCELED", isCancelled: true });
  });

  test("tasks.batchTrigger returns a handle that the runs can be fetched and managed with", async () => {
    const items = [
      { payload: { n: 1 } },
      { payload: { n: 2 } },
      { payload: { n: 3 }, options: { delay: "1h" } },
    ];
    const { batchId, runCount } = await tasks.batchTrigger<Echo>("echo", items);
    expect(runCount).toBe(3);
    const [first = "", second = "", third = ""] = await runsOf(batchId);
    await runs.cancel(third);
    const ended = await Promise.all([first, second, third].map((id) => runs.poll(id, quick)));
    expect(ended).toMatchObject([
      { batchId, status: "COMPLETED", output: { n: 1 } },
      { batchId, status: "COMPLETED", output: { n: 2 } },
      { batchId, status: "CANCELED" },
    ]);
  });

  test("tasks.triggerAndPoll polls until the run is complete, however it ends", async () => {
    await ns.apply(queueOnDemand("closed"));
    await queues.pause({ type: "custom", name: "closed" });
    await ns.untilQueuePaused("closed");
    const ended = await Promise.all([
      tasks.triggerAndPoll<Echo>("echo", { n: 1 }, quick),
      tasks.triggerAndPoll("throws", {}, quick),
      tasks.triggerAndPoll<Echo>("echo", {}, { ...quick, queue: "closed", ttl: 1 }),
      tasks.triggerAndPoll<Sleep>("sleep", { ms: 120_000 }, { ...quick, maxDuration: 5 }),
    ]);
    expect(ended).toMatchObject([
      { status: "COMPLETED", isCompleted: true, output: { n: 1 } },
      { status: "FAILED", isCompleted: true, error: { name: "PaymentError" } },
      { status: "EXPIRED", isCompleted: true, expiredAt: expect.any(Date) },
      { status: "TIMED_OUT", isCompleted: true },
    ]);
  });

  test("one call of tasks.batchTrigger in place of a loop creates 100 runs", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const items = Array.from({ length: 100 }, (_, n) => ({ payload: { n }, options: { delay: "1h" } }));
    const { batchId } = await tasks.batchTrigger<Echo>("echo", items);
    const calls = fetched.mock.calls.length;
    fetched.mockRestore();
    // The batch, and its items as one stream.
    expect(calls).toBe(2);
    const ids = await runsOf(batchId);
    expect(new Set(ids).size).toBe(100);
    expect(await runs.retrieve(ids[99] ?? "")).toMatchObject({ status: "DELAYED", payload: { n: 99 } });
  });
});

describe("yourTask.…, anywhere", () => {
  test("yourTask.trigger returns a handle and does not wait for the result", async () => {
    const { id } = await sleep.trigger({ ms: 120_000 });
    expect((await runs.retrieve(id)).isCompleted).toBe(false);
    await runs.cancel(id);
    expect((await runs.poll(id, quick)).status).toBe("CANCELED");
    expect(ranHere).toBe(0);
  });

  test("yourTask.batchTrigger returns a handle and does not wait for the results", async () => {
    const { batchId } = await sleep.batchTrigger([
      { payload: { ms: 120_000 } },
      { payload: { ms: 120_000 } },
    ]);
    expect((await batch.retrieve(batchId)).status).not.toBe("COMPLETED");
    const ids = await runsOf(batchId);
    await Promise.all(ids.map((id) => runs.cancel(id)));
    const ended = await Promise.all(ids.map((id) => runs.poll(id, quick)));
    expect(ended.map(({ status }) => status)).toEqual(["CANCELED", "CANCELED"]);
  });

  test("the payloads of yourTask.trigger and yourTask.batchTrigger are type-checked", async () => {
    const { id } = await echo.trigger({ n: 7 });
    expect((await runs.poll(id, quick)).output).toEqual({ n: 7 });
    const wrong = [
      // @ts-expect-error n is a number
      () => echo.trigger({ n: "7" }),
      // @ts-expect-error n is missing
      () => echo.batchTrigger([{ payload: {} }]),
    ];
    expect(wrong).toHaveLength(2);
  });
});

test("a schedule triggers its task repeatedly", async () => {
  const made = await schedules.create({ task: "echo", cron: "* * * * *", deduplicationKey: "minutely" });
  const next = await waitFor("it has a next run", async () => (await schedules.retrieve(made.id)).nextRun, {
    timeoutMs: 20_000,
    intervalMs: 200,
  });
  expect(Date.parse(next) % 60_000).toBe(0);
  expect(Date.parse(next) - Date.now()).toBeLessThanOrEqual(60_000);
  await schedules.del(made.id);
});

describe("TRIGGER_SECRET_KEY", () => {
  /** Settings of the environment alone. */
  const trigger = () => auth.withAuth({}, () => tasks.trigger<Echo>("echo", {}, { delay: "1h" }));

  test("TRIGGER_SECRET_KEY authenticates the client", async () => {
    vi.stubEnv("TRIGGER_SECRET_KEY", api.key);
    expect((await trigger()).id).toMatch(/^run_/);
  });

  test("a missing TRIGGER_SECRET_KEY is named in the error", async () => {
    vi.stubEnv("TRIGGER_SECRET_KEY", undefined);
    await expect(trigger()).rejects.toThrow(/TRIGGER_SECRET_KEY/);
  });

  test("a wrong TRIGGER_SECRET_KEY is refused", async () => {
    vi.stubEnv("TRIGGER_SECRET_KEY", `${api.key}x`);
    await expect(trigger()).rejects.toMatchObject({ status: 401 });
    await expect(trigger()).rejects.toThrow(/TRIGGER_SECRET_KEY/);
  });
});

describe("the task's type as generic argument", () => {
  type Greeting = { greeting: string };

  test("the task's type checks tasks.trigger in full", async () => {
    const { id } = await tasks.trigger<typeof helloWorld>("hello-world", { name: "Ada" });
    const run = await runs.poll<typeof helloWorld>(id, quick);
    expectTypeOf(run.output).toEqualTypeOf<Greeting | undefined>();
    expectTypeOf<OutputOf<typeof helloWorld>>().toEqualTypeOf<Greeting>();
    expect(run.output?.greeting).toBe("Hello, Ada!");
    const wrong = [
      // @ts-expect-error a name is a string
      () => tasks.trigger<typeof helloWorld>("hello-world", { name: 1 }),
      // @ts-expect-error another task's id
      () => tasks.trigger<typeof helloWorld>("hello", { name: "Ada" }),
      // @ts-expect-error there is no such option
      () => tasks.trigger<typeof helloWorld>("hello-world", {}, { delayed: "1h" }),
    ];
    expect(wrong).toHaveLength(3);
  });

  test("the task's type checks tasks.batchTrigger in full", async () => {
    const { batchId } = await tasks.batchTrigger<typeof helloWorld>("hello-world", [
      { payload: { name: "Bob" } },
    ]);
    const [id = ""] = await runsOf(batchId);
    expect((await runs.poll<typeof helloWorld>(id, quick)).output?.greeting).toBe("Hello, Bob!");
    const wrong = [
      // @ts-expect-error a name is a string
      () => tasks.batchTrigger<typeof helloWorld>("hello-world", [{ payload: { name: 1 } }]),
      // @ts-expect-error another task's id
      () => tasks.batchTrigger<typeof helloWorld>("hello", [{ payload: {} }]),
    ];
    expect(wrong).toHaveLength(2);
  });

  test("the task's type checks tasks.triggerAndPoll in full", async () => {
    const run = await tasks.triggerAndPoll<typeof helloWorld>("hello-world", { name: "Eve" }, quick);
    expectTypeOf(run.output).toEqualTypeOf<Greeting | undefined>();
    expect(run.output?.greeting).toBe("Hello, Eve!");
    const wrong = [
      // @ts-expect-error a name is a string
      () => tasks.triggerAndPoll<typeof helloWorld>("hello-world", { name: 1 }),
    ];
    expect(wrong).toHaveLength(1);
  });

  test("a type import of the task loads nothing of its code", () => {
    expect(registered.sort()).toEqual(["echo", "sleep"]);
  });
});

describe("large payloads and outputs", () => {
  test("a payload above 512 KB can be downloaded from a presigned URL", async () => {
    const payload = { text: "x".repeat(600_000) };
    const run = await tasks.triggerAndPoll<Echo>("echo", payload, quick);
    expect(run.payload).toBeUndefined();
    const response = await fetch(run.payloadPresignedUrl ?? "");
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(payload);
  });

  test("a large output has a presigned URL, and the SDK fetches the output from there", async () => {
    const run = await tasks.triggerAndPoll("big-output", { bytes: 2 * MiB }, quick);
    const response = await fetch(run.outputPresignedUrl ?? "");
    expect((await response.text()).length).toBe(2 * MiB);
    expect(run.output).toBe("x".repeat(2 * MiB - 2));
  });

  test("a payload has at most 10 MB", async () => {
    const { id } = await tasks.trigger<Echo>("echo", "x".repeat(10 * MiB), { delay: "1h" });
    const { payloadPresignedUrl = "" } = await runs.retrieve(id);
    expect((await (await fetch(payloadPresignedUrl)).text()).length).toBe(10 * MiB);
    const more = tasks.trigger<Echo>("echo", "x".repeat(10 * MiB + 1));
    await expect(more).rejects.toThrow(/10485761 bytes, at most 10485760 \(10 MB\).*storage of your own/);
  });

  test("a payload above 10 MB is refused by the API, whatever client sends it", async () => {
    const body = JSON.stringify({ payload: "x".repeat(10 * MiB) });
    const response = await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body });
    expect(response.status).toBe(413);
    expect(await response.text()).toMatch(/payload: 10485762 bytes, at most 10485760 \(10 MB\)/);
  });

  test("an output has at most 100 MB", async () => {
    const [fits, above] = await Promise.all(
      [100 * MiB, 100 * MiB + 1].map((bytes) => tasks.trigger("big-output", { bytes })),
    );
    // Without the SDK, which would fetch the output.
    const ended = (id = "") =>
      waitFor(
        `${id} ends`,
        async () => {
          const run = (await (await api.fetch(`/api/v3/runs/${id}`)).json()) as { isCompleted: boolean };
          return run.isCompleted ? run : undefined;
        },
        { timeoutMs: 60_000, intervalMs: 300 },
      );
    expect(await ended(fits?.id)).toMatchObject({
      status: "COMPLETED",
      outputPresignedUrl: expect.any(String),
    });
    expect(await ended(above?.id)).toMatchObject({
      status: "FAILED",
      error: { message: expect.stringContaining("104857601 bytes, at most 104857600") },
    });
  });
});

describe("types that JSON does not have", () => {
  const value = { at: new Date(0), big: 1n, map: new Map([["a", 1]]), none: undefined };

  test("types that JSON lacks reach the task and come back in the output", async () => {
    const run = await tasks.triggerAndPoll<Echo>("echo", value, quick);
    expect(run.output).toStrictEqual(value);
    expect(run.payload).toStrictEqual(value);
  });

  test("types that JSON lacks reach the task from a batch, too", async () => {
    const { batchId } = await tasks.batchTrigger<Echo>("echo", [{ payload: value }]);
    const [id = ""] = await runsOf(batchId);
    expect((await runs.poll(id, quick)).output).toStrictEqual(value);
  });
});

describe("a batch", () => {
  const items = (count: number, length: number) =>
    Array.from({ length: count }, () => ({ payload: "x".repeat(length), options: { delay: "1h" } }));
  const refused = { status: 413, message: expect.stringMatching(/10 MB.*make several batches/) };

  test("a batch may have 100 payloads that are each below 100 KB", async () => {
    const { batchId } = await tasks.batchTrigger<Echo>("echo", items(100, 100_000));
    expect((await batch.retrieve(batchId)).runCount).toBe(100);
  });

  test("a batch of more than 10 MB is refused before it is sent where its size is known", async () => {
    await expect(tasks.batchTrigger<Echo>("echo", items(160, 100_000))).rejects.toThrow(
      /16\d{6} bytes.*10 MB.*make several batches/,
    );
  });

  test("a batch whose payloads are uploaded one by one has at most 10 MB in all", async () => {
    await expect(tasks.batchTrigger<Echo>("echo", items(6, 2_000_000))).rejects.toMatchObject(refused);
  });

  // Comes last: an answer that is cut off ends kubectl's port-forward.
  test("a batch with inline payloads has at most 10 MB in all", async () => {
    await expect(tasks.batchTrigger<Echo>("echo", items(110, 100_000))).rejects.toMatchObject(refused);
  });
});
