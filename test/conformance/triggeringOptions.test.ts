/**
 * The options of a trigger, as Trigger.dev's page on triggering describes them: one test for each sentence,
 * with real runs.
 */
import { runLabel } from "@fairlead/protocol/labels";
import { batch, configure, idempotencyKeys, queues, type Run, runs, type Task, tasks } from "@fairlead/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { Pods } from "../../operator/src/kube/resources.ts";
import { TaskQueues } from "../../operator/src/model/kinds.ts";
import { nameOfQueue } from "../../operator/src/model/resources.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { queueOnDemand, testTask } from "../support/release/manifests.ts";
import { groupByKey, loadSpans, maxOverlap, slotSpansOf } from "../support/release/spans.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

type Echo = Task<"echo", unknown, unknown>;
type Marks = Task<"marks", { ms: number; key?: string }, void>;
type Sleep = Task<"sleep", { ms: number }, { sleptMs: number }>;

let ns: TestNamespace;
let api: ApiAccess;
beforeAll(async () => {
  ns = await TestNamespace.create("options");
  await ns.apply(
    ...["echo", "marks", "sleep"].map((id) => testTask(id)),
    testTask("throws", { retry: { maxAttempts: 3, minTimeoutInMs: 100 } }),
    testTask("context", { ttlSeconds: 1 }),
  );
  api = await ApiAccess.open(ns.name);
  configure({ baseURL: api.url, secretKey: api.key });
});
afterAll(async () => {
  await api?.close();
  await ns?.remove();
});

const hour = 3_600_000;
const quick = { pollIntervalMs: 200 };
const polled = (ids: readonly string[]): Promise<Run[]> => Promise.all(ids.map((id) => runs.poll(id, quick)));
const waiting = { timeoutMs: 60_000, intervalMs: 200 };

const handleOf = ({ id }: { id: string }): string => id;
const labelled = (ids: readonly string[]): string =>
  `${runLabel} in (${ids.map((id) => id.replace(/^run_/, "")).join(",")})`;

const runsOf = (batchId: string): Promise<string[]> =>
  waitFor(
    `batch ${batchId} has its runs`,
    async () => {
      const now = await batch.retrieve(batchId);
      return now.runs.length === now.runCount ? now.runs : undefined;
    },
    waiting,
  );

/** A queue that admits nothing until it is resumed. */
async function closedQueue(name: string): Promise<{ type: "custom"; name: string }> {
  const queue = { type: "custom", name } as const;
  await ns.apply(queueOnDemand(name));
  await queues.pause(queue);
  await ns.untilQueuePaused(name);
  return queue;
}

// Concurrent, because most of them wait for time to pass.
describe.concurrent("delay", () => {
  test("a run with a delay as a duration is Delayed and does not start before", async () => {
    const { id } = await tasks.trigger<Echo>("echo", {}, { delay: "10s" });
    const { status, createdAt, delayedUntil, startedAt } = await runs.retrieve(id);
    expect({ status, startedAt }).toEqual({ status: "DELAYED", startedAt: undefined });
    // creationTimestamp has a resolution of a second.
    expect(Number(delayedUntil) - Number(createdAt)).toBeGreaterThan(9_000);
    const run = await runs.poll(id, quick);
    expect(run.status).toBe("COMPLETED");
    expect(Number(run.startedAt)).toBeGreaterThanOrEqual(Number(delayedUntil));
  });

  test("a run with a delay as a Date does not start before", async () => {
    const delay = new Date(Date.now() + 10_000);
    const { id } = await tasks.trigger<Echo>("echo", {}, { delay });
    expect(await runs.retrieve(id)).toMatchObject({ status: "DELAYED", delayedUntil: delay });
    const run = await runs.poll(id, quick);
    expect(run.status).toBe("COMPLETED");
    expect(Number(run.startedAt)).toBeGreaterThanOrEqual(Number(delay));
  });

  test("runs.cancel cancels a delayed run", async () => {
    const { id } = await tasks.trigger<Echo>("echo", {}, { delay: "1h" });
    await runs.cancel(id);
    expect(await runs.poll(id, quick)).toMatchObject({ status: "CANCELED", attemptCount: 0 });
  });

  test("runs.reschedule moves a delayed run", async () => {
    const { id } = await tasks.trigger<Echo>("echo", {}, { delay: "1h" });
    const later = await runs.reschedule(id, { delay: "2h" });
    expect(Number(later.delayedUntil)).toBeGreaterThan(Date.now() + 1.5 * hour);
    const soon = new Date(Date.now() + 5_000);
    expect((await runs.reschedule(id, { delay: soon })).delayedUntil).toEqual(soon);
    const run = await runs.poll(id, quick);
    expect(run.status).toBe("COMPLETED");
    expect(Number(run.startedAt)).toBeGreaterThanOrEqual(Number(soon));
  });

  test("each item of a batch may have a delay of its own", async () => {
    const items = [{ payload: 1 }, { payload: 2, options: { delay: "1h" } }];
    const { batchId } = await tasks.batchTrigger<Echo>("echo", items);
    const [first = "", second = ""] = await runsOf(batchId);
    expect((await runs.poll(first, quick)).output).toBe(1);
    expect((await runs.retrieve(second)).status).toBe("DELAYED");
  });
});

describe.concurrent("ttl", () => {
  test("a run that has not started within its ttl expires", async () => {
    const { name } = await closedQueue("ttl/elapses");
    const { id } = await tasks.trigger<Echo>("echo", {}, { queue: name, ttl: "2s" });
    const run = await runs.poll(id, quick);
    expect(run).toMatchObject({ status: "EXPIRED", ttl: "2s", attemptCount: 0 });
    expect(run.expiredAt).toBeInstanceOf(Date);
  });

  test("a ttl of 0 disables the environment's default", async () => {
    const queue = await closedQueue("ttl/none");
    const [forever, byDefault] = await Promise.all([
      tasks.trigger("context", {}, { queue: queue.name, ttl: 0 }),
      tasks.trigger("context", {}, { queue: queue.name }),
    ]);
    expect((await runs.poll(byDefault.id, quick)).status).toBe("EXPIRED");
    expect((await runs.retrieve(forever.id)).status).toBe("QUEUED");
    await queues.resume(queue);
    expect((await runs.poll(forever.id, quick)).status).toBe("COMPLETED");
  });

  test("the ttl of a delayed run counts from when it is enqueued, not from when it is triggered", async () => {
    const { name } = await closedQueue("ttl/delayed");
    const options = { delay: "12s", ttl: "10s" };
    const [runsLate, expires] = await polled([
      handleOf(await tasks.trigger<Echo>("echo", {}, options)),
      handleOf(await tasks.trigger<Echo>("echo", {}, { ...options, queue: name })),
    ]);
    expect(runsLate?.status).toBe("COMPLETED");
    expect(expires?.status).toBe("EXPIRED");
    expect(Number(expires?.expiredAt) - Number(expires?.delayedUntil)).toBeGreaterThanOrEqual(10_000);
  });

  test("a ttl may be a duration and not a timestamp", async () => {
    const ttl = new Date(Date.now() + hour).toISOString();
    await expect(tasks.trigger<Echo>("echo", {}, { ttl })).rejects.toThrow(/ttl: .*a date is not allowed/);
    const body = JSON.stringify({ payload: {}, options: { ttl } });
    const response = await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body });
    expect(response.status).toBe(422);
    expect(await response.text()).toMatch(/options\.ttl: .*a date is not allowed/);
    // @ts-expect-error nor does it compile
    expect(() => tasks.trigger<Echo>("echo", {}, { ttl: new Date() })).toBeDefined();
  });
});

describe.concurrent("options that choose run and queue", () => {
  test("a task is triggered only once with the same idempotencyKey", async () => {
    const idempotencyKey = await idempotencyKeys.create(["order", "8"]);
    const handles = await Promise.all(
      [1, 2, 3].map((n) => tasks.trigger<Echo>("echo", { n }, { idempotencyKey, tags: "only-once" })),
    );
    expect(new Set(handles.map(handleOf)).size).toBe(1);
    expect(handles.filter(({ isCached }) => !isCached)).toHaveLength(1);
    await polled(handles.map(handleOf));
    expect(await tasks.trigger<Echo>("echo", {}, { idempotencyKey })).toMatchObject({
      id: handles[0]?.id,
      isCached: true,
    });
    expect((await runs.list({ tag: "only-once" })).data).toHaveLength(1);
  });

  test("a run with a queue waits in the queue of that name", async () => {
    const queue = await closedQueue("by-name");
    const { id } = await tasks.trigger<Echo>("echo", {}, { queue: queue.name });
    await waitFor("it waits there", async () => (await queues.retrieve(queue)).queued === 1, waiting);
    expect((await runs.retrieve(id)).status).toBe("QUEUED");
    await queues.resume(queue);
    expect((await runs.poll(id, quick)).status).toBe("COMPLETED");
  });

  test("a queue with a limit at trigger time is created on demand, and its runs keep to the limit", async () => {
    const queue = { name: "on-demand", concurrencyLimit: 1 };
    const ids = (
      await Promise.all([1, 2, 3].map(() => tasks.trigger<Marks>("marks", { ms: 500 }, { queue })))
    ).map(handleOf);
    expect((await polled(ids)).map(({ status }) => status)).toEqual(Array(3).fill("COMPLETED"));
    const spans = await loadSpans(ns, labelled(ids));
    expect(spans).toHaveLength(3);
    expect(maxOverlap(spans)).toBe(1);
    expect(await queues.retrieve({ type: "custom", name: queue.name })).toMatchObject({
      concurrencyLimit: 1,
    });
    expect((await ns.list(TaskQueues)).map(nameOfQueue)).toContain(queue.name);
  });

  test("a limit at trigger time also counts for a queue that was paused before", async () => {
    const queue = await closedQueue("on-demand-later");
    const options = { queue: { name: queue.name, concurrencyLimit: 1 } };
    await tasks.trigger<Echo>("echo", {}, options);
    await waitFor("it waits", async () => (await queues.retrieve(queue)).queued === 1, waiting);
    expect(await queues.retrieve(queue)).toMatchObject({ concurrencyLimit: 1 });
  });

  test("each value of concurrencyKey has its own copy of the queue, with the same limit", async () => {
    const queue = { name: "per-tenant", concurrencyLimit: 1 };
    const triggered = ["ada", "bob", "ada", "bob"].map((key) =>
      tasks.trigger<Sleep>("sleep", { ms: 2_000 }, { queue, concurrencyKey: key }),
    );
    const ids = (await Promise.all(triggered)).map(handleOf);
    await polled(ids);
    const made = await Promise.all(ids.map((id) => ns.loadRun(id.replace(/^run_/, ""))));
    const slots = slotSpansOf(made);
    for (const [key, own] of groupByKey(slots))
      expect([key, own.length, maxOverlap(own)]).toEqual([key, 2, 1]);
    expect(maxOverlap(slots)).toBe(2);
  });

  test("a run with a priority starts before runs that were triggered shortly before it", async () => {
    const queue = await closedQueue("by-priority");
    await queues.overrideConcurrencyLimit(queue, 1);
    const options = { queue: queue.name };
    const ids = [
      handleOf(await tasks.trigger<Echo>("echo", "first", options)),
      handleOf(await tasks.trigger<Echo>("echo", "second", { ...options, priority: 60 })),
    ];
    await waitFor("both wait", async () => (await queues.retrieve(queue)).queued === 2, waiting);
    await queues.resume(queue);
    await polled(ids);
    const [first, second] = slotSpansOf(
      await Promise.all(ids.map((id) => ns.loadRun(id.replace(/^run_/, "")))),
    );
    expect(second?.end).toBeLessThanOrEqual(first?.start ?? 0);
  });

  test("several debounced triggers make one run, in trailing mode with the last payload", async () => {
    const debounce = { key: "typing", delay: "10s", mode: "trailing" } as const;
    const ids: string[] = [];
    for (const text of ["a", "ab", "abc"]) {
      ids.push(handleOf(await tasks.trigger<Echo>("echo", { text }, { debounce })));
    }
    expect(new Set(ids).size).toBe(1);
    expect((await runs.poll(ids[0] ?? "", quick)).output).toEqual({ text: "abc" });
  });

  test("maxConcurrency bounds the runs of a batch at once", async () => {
    const items = Array.from({ length: 4 }, () => ({ payload: { ms: 1_500 } }));
    const { batchId } = await tasks.batchTrigger<Marks>("marks", items, { maxConcurrency: 2 });
    await waitFor("it ends", async () => (await batch.retrieve(batchId)).status === "COMPLETED", waiting);
    const spans = await loadSpans(ns, labelled(await runsOf(batchId)));
    expect(spans).toHaveLength(4);
    expect(maxOverlap(spans)).toBeLessThanOrEqual(2);
  });
});

describe.concurrent("options that change how a run executes", () => {
  test("maxAttempts at trigger time wins over the task's own", async () => {
    const ids = await Promise.all(
      [1, 2, 4, undefined].map(async (maxAttempts) =>
        handleOf(await tasks.trigger("throws", {}, { maxAttempts })),
      ),
    );
    const ended = await polled(ids);
    expect(ended.map(({ status, attemptCount }) => [status, attemptCount])).toEqual([
      ["FAILED", 1],
      ["FAILED", 2],
      ["FAILED", 4],
      ["FAILED", 3],
    ]);
  });

  test("runs.list finds a run by its tags", async () => {
    const tags = ["tenant_7", "eu"];
    const { id } = await tasks.trigger<Echo>("echo", {}, { tags, delay: "1h" });
    const listed = async (tag: string) => (await runs.list({ tag })).data.map(handleOf);
    await waitFor("it is listed", async () => (await listed("tenant_7")).length > 0, waiting);
    expect(await listed("tenant_7")).toEqual([id]);
    expect(await listed("eu")).toEqual([id]);
    expect((await runs.retrieve(id)).tags).toEqual(tags);
  });

  test("a run has at most 10 tags", async () => {
    const tags = Array.from({ length: 11 }, (_, n) => `tag-${n}`);
    const { id } = await tasks.trigger<Echo>("echo", {}, { tags: tags.slice(1), delay: "1h" });
    expect((await runs.retrieve(id)).tags).toEqual(tags.slice(1));
    await expect(tasks.trigger<Echo>("echo", {}, { tags })).rejects.toThrow(
      /options\.tags: 11 tags, at most 10/,
    );
  });

  test("metadata is stored with the run", async () => {
    const metadata = { customer: { id: 7 }, steps: [1, 2] };
    const { id } = await tasks.trigger("context", {}, { metadata, ttl: 0 });
    const run = await runs.poll(id, quick);
    expect(run.metadata).toEqual(metadata);
    expect(run.output).toMatchObject({ ctx: { run: { metadata } } });
  });

  test("a run that exceeds maxDuration is stopped and ends as TimedOut", async () => {
    const { id } = await tasks.trigger<Sleep>("sleep", { ms: 120_000 }, { maxDuration: 5 });
    const run = await runs.poll(id, quick);
    expect(run).toMatchObject({ status: "TIMED_OUT", isFailed: true });
    expect(Number(run.finishedAt) - Number(run.startedAt)).toBeLessThan(30_000);
  });

  test("the pod has the resources of the run's machine", async () => {
    const { id } = await tasks.trigger<Echo>("echo", {}, { machine: "micro" });
    expect((await runs.poll(id, quick)).status).toBe("COMPLETED");
    const [pod] = await ns.list(Pods, labelled([id]));
    expect(pod?.spec?.containers[0]?.resources).toEqual({
      requests: { cpu: "250m", memory: "250M", "ephemeral-storage": "0" },
      limits: { memory: "250M", "ephemeral-storage": "10Gi" },
    });
  });
});
