/** The official SDK, the current one and the last of version 3, as clients of our API on the cluster. */
import * as v4 from "@trigger.dev/sdk";
import * as v3 from "trigger-sdk-v3/v3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { ApiAccess } from "../support/release/apiAccess.ts";
import { queueOnDemand, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";
import { Compatibility } from "./compatibility.ts";
import { version3Calls } from "./version3Calls.ts";

const current = "SDK 4.8";
const older = "SDK 3.3";
const seen = new Compatibility();
let ns: TestNamespace;
let api: ApiAccess;

beforeAll(async () => {
  ns = await TestNamespace.create("conformance");
  await ns.apply(...["echo", "sleep", "throws"].map((id) => testTask(id)));
  api = await ApiAccess.open(ns.name);
  v4.configure({ baseURL: api.url, secretKey: api.key });
  v3.configure({ baseURL: api.url, secretKey: api.key });
});
afterAll(async () => {
  seen.write([current, older]);
  await api?.close();
  await ns?.remove();
});

/** A test of one call; its outcome becomes a row of the table. */
function call(client: string, name: string, body: () => Promise<void>): void {
  test(name, async () => {
    try {
      await body();
      seen.note(name, client, "works");
    } catch (error) {
      seen.note(name, client, "fails");
      throw error;
    }
  });
}

const quick = { pollIntervalMs: 200 };
const batchEnd = async (id: string) =>
  waitFor(
    `batch ${id} ends`,
    async () => {
      const batch = await v4.batch.retrieve(id);
      return ["PENDING", "PROCESSING"].includes(batch.status) ? undefined : batch;
    },
    { timeoutMs: 90_000, intervalMs: 500 },
  );

describe(current, () => {
  call(current, "tasks.trigger", async () => {
    const { id } = await v4.tasks.trigger("echo", { name: "Ada" });
    const run = await v4.runs.poll(id, quick);
    expect(run).toMatchObject({
      status: "COMPLETED",
      isSuccess: true,
      output: { name: "Ada" },
      payload: { name: "Ada" },
    });
  });

  call(current, "runs.retrieve", async () => {
    const { id } = await v4.tasks.trigger(
      "echo",
      { n: 1 },
      { tags: ["a"], metadata: { x: 1 }, priority: 5, maxAttempts: 2 },
    );
    expect(await v4.runs.retrieve(id)).toMatchObject({
      id,
      taskIdentifier: "echo",
      tags: ["a"],
      metadata: { x: 1 },
    });
    await expect(v4.runs.retrieve("run_nothing")).rejects.toMatchObject({ status: 404 });
  });

  call(current, "a run that fails", async () => {
    const { id } = await v4.tasks.trigger("throws", {});
    const run = await v4.runs.poll(id, quick);
    expect(run).toMatchObject({ status: "FAILED", error: { name: "PaymentError" }, attemptCount: 1 });
  });

  call(current, "types that JSON does not have: they arrive, and come back as JSON", async () => {
    const payload = { at: new Date(0), map: new Map([["a", 1]]) };
    const { id } = await v4.tasks.trigger("echo", payload);
    expect((await v4.runs.poll(id, quick)).output).toEqual({
      at: "1970-01-01T00:00:00.000Z",
      map: [["a", 1]],
    });
  });

  call(current, "a payload of 200 KB", async () => {
    const { id } = await v4.tasks.trigger("echo", { text: "x".repeat(200_000) });
    const run = await v4.runs.poll(id, quick);
    expect(run.output).toEqual({ text: "x".repeat(200_000) });
  });

  call(current, "an output of 2 MB", async () => {
    await ns.apply(testTask("big-output"));
    const { id } = await v4.tasks.trigger("big-output", { bytes: 2_000_000 });
    const run = await v4.runs.poll(id, quick);
    expect((run.output as string).length).toBe(1_999_998);
  });

  call(current, "delay, runs.reschedule, runs.cancel", async () => {
    const { id } = await v4.tasks.trigger("echo", {}, { delay: "1h", ttl: "10m" });
    expect(await v4.runs.retrieve(id)).toMatchObject({ status: "DELAYED", ttl: "10m" });
    const moved = await v4.runs.reschedule(id, { delay: "2h" });
    expect(moved.delayedUntil?.getTime()).toBeGreaterThan(Date.now() + 3_600_000);
    await v4.runs.cancel(id);
    expect((await v4.runs.poll(id, quick)).status).toBe("CANCELED");
  });

  call(current, "idempotencyKeys.create, idempotencyKeys.reset", async () => {
    const key = await v4.idempotencyKeys.create("order-1", { scope: "global" });
    const first = await v4.tasks.trigger("echo", { n: 1 }, { idempotencyKey: key });
    const second = await v4.tasks.trigger("echo", { n: 2 }, { idempotencyKey: key });
    expect(second).toMatchObject({ id: first.id, isCached: true });
    expect((await v4.runs.retrieve(first.id)).idempotencyKey).toBe("order-1");
    await v4.idempotencyKeys.reset("echo", "order-1", { scope: "global" });
    const third = await v4.tasks.trigger("echo", { n: 3 }, { idempotencyKey: key });
    expect(third.id).not.toBe(first.id);
  });

  call(current, "tasks.batchTrigger, batch.retrieve", async () => {
    // One of them does not fit into a TaskRun.
    const text = (n: number): string => (n === 54 ? "x".repeat(20_000) : "");
    const items = Array.from({ length: 55 }, (_, n) => ({ payload: { n, text: text(n) } }));
    const { batchId, runCount } = await v4.tasks.batchTrigger("echo", items);
    expect(runCount).toBe(55);
    const batch = await batchEnd(batchId);
    expect(batch).toMatchObject({ status: "COMPLETED", runCount: 55 });
    expect(batch.runs).toHaveLength(55);
    const last = await v4.runs.retrieve(batch.runs[54] ?? "");
    expect(last).toMatchObject({ output: { n: 54, text: text(54) }, batchId });
  });

  call(current, "batch.trigger", async () => {
    const { batchId } = await v4.batch.trigger([
      { id: "echo", payload: { a: 1 } },
      { id: "throws", payload: {} },
    ]);
    expect((await batchEnd(batchId)).status).toBe("PARTIAL_FAILED");
  });

  call(current, "runs.list", async () => {
    const { id } = await v4.tasks.trigger("echo", {}, { tags: ["listed"], delay: "1h" });
    await waitFor(
      "the list has it",
      async () => (await v4.runs.list({ tag: "listed" })).data.some((run) => run.id === id),
      { timeoutMs: 10_000 },
    );
    const page = await v4.runs.list({ limit: 2 });
    expect(page.data).toHaveLength(2);
    expect(page.hasNextPage()).toBe(true);
    const all = new Set<string>();
    for await (const run of v4.runs.list({ limit: 10, status: ["COMPLETED", "DELAYED", "FAILED"] }))
      all.add(run.id);
    expect(all).toContain(id);
    await v4.runs.cancel(id);
  });

  call(current, "runs.replay", async () => {
    const { id } = await v4.tasks.trigger("echo", { again: true });
    await v4.runs.poll(id, quick);
    const replayed = await v4.runs.replay(id);
    expect(replayed.id).not.toBe(id);
    expect((await v4.runs.poll(replayed.id, quick)).output).toEqual({ again: true });
  });

  call(current, "queues.list, retrieve, pause, resume", async () => {
    const mail = { type: "custom", name: "mail/eu" } as const;
    await expect(v4.queues.pause(mail)).rejects.toMatchObject({ status: 404 });
    await ns.apply(queueOnDemand("mail/eu"));
    expect(await v4.queues.pause(mail)).toMatchObject({ name: "mail/eu", paused: true });
    await ns.untilQueuePaused("mail/eu");
    const { id } = await v4.tasks.trigger("echo", {}, { queue: "mail/eu" });
    await waitFor("it waits", async () => (await v4.queues.retrieve(mail)).queued === 1, {
      timeoutMs: 20_000,
    });
    expect((await v4.runs.retrieve(id)).status).toBe("QUEUED");
    expect(await v4.queues.resume(mail)).toMatchObject({ paused: false });
    expect((await v4.runs.poll(id, quick)).status).toBe("COMPLETED");
    expect((await v4.queues.list()).data.map(({ name }) => name)).toContain("mail/eu");
  });

  call(current, "queues.overrideConcurrencyLimit, resetConcurrencyLimit", async () => {
    const echo = { type: "task", name: "echo" } as const;
    expect(await v4.queues.overrideConcurrencyLimit(echo, 3)).toMatchObject({ concurrencyLimit: 3 });
    expect(await v4.queues.resetConcurrencyLimit(echo)).toMatchObject({ concurrencyLimit: null });
  });

  call(
    current,
    "schedules.create, retrieve, update, list, deactivate, activate, del, timezones",
    async () => {
      const made = await v4.schedules.create({
        task: "echo",
        cron: "0 9 * * *",
        timezone: "Europe/Berlin",
        deduplicationKey: "d",
      });
      const again = await v4.schedules.create({ task: "echo", cron: "0 10 * * *", deduplicationKey: "d" });
      expect(again.id).toBe(made.id);
      expect(await v4.schedules.update(made.id, { task: "echo", cron: "0 11 * * *" })).toMatchObject({
        generator: { expression: "0 11 * * *" },
      });
      expect((await v4.schedules.deactivate(made.id)).active).toBe(false);
      expect((await v4.schedules.activate(made.id)).active).toBe(true);
      expect((await v4.schedules.retrieve(made.id)).task).toBe("echo");
      expect((await v4.schedules.list()).data.map(({ id }) => id)).toContain(made.id);
      await v4.schedules.del(made.id);
      await expect(v4.schedules.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
      expect((await v4.schedules.timezones()).timezones).toContain("Europe/Berlin");
      await expect(
        v4.schedules.create({ task: "echo", cron: "61 * * * *", deduplicationKey: "e" }),
      ).rejects.toMatchObject({
        status: 422,
      });
    },
  );

  call(current, "auth.createPublicToken, auth.withAuth", async () => {
    const { id } = await v4.tasks.trigger("echo", {});
    const other = await v4.tasks.trigger("echo", {});
    const accessToken = await v4.auth.createPublicToken({ scopes: { read: { runs: [id] } } });
    await v4.auth.withAuth({ accessToken, baseURL: api.url }, async () => {
      expect((await v4.runs.retrieve(id)).id).toBe(id);
      await expect(v4.runs.retrieve(other.id)).rejects.toMatchObject({ status: 403 });
    });
  });

  call(current, "auth.createTriggerPublicToken", async () => {
    const accessToken = await v4.auth.createTriggerPublicToken("echo");
    await v4.auth.withAuth({ accessToken, baseURL: api.url }, async () => {
      const { id } = await v4.tasks.trigger("echo", {});
      expect((await v4.tasks.trigger("echo", {})).id).toBe(id);
      await expect(v4.tasks.trigger("throws", {})).rejects.toMatchObject({ status: 403 });
    });
  });

  call(current, "auth.createBatchTriggerPublicToken", async () => {
    const accessToken = await v4.auth.createBatchTriggerPublicToken("echo");
    await v4.auth.withAuth({ accessToken, baseURL: api.url }, async () => {
      expect((await v4.tasks.batchTrigger("echo", [{ payload: 1 }])).runCount).toBe(1);
    });
  });

  call(current, "debounce", async () => {
    const debounce = { key: "k", delay: "10s", mode: "trailing" } as const;
    const first = await v4.tasks.trigger("echo", { n: 1 }, { debounce });
    const second = await v4.tasks.trigger("echo", { n: 2 }, { debounce });
    expect(second.id).toBe(first.id);
    expect((await v4.runs.poll(first.id, quick)).output).toEqual({ n: 2 });
    expect((await v4.tasks.trigger("echo", { n: 3 }, { debounce })).id).not.toBe(first.id);
  });

  call(current, "envvars.upload, create, list, retrieve, del", async () => {
    await ns.apply(testTask("variable"));
    await v4.envvars.upload("proj", "prod", { variables: { GREETING: "hello" } });
    await v4.envvars.create("proj", "prod", { name: "PORT", value: "1" });
    await v4.envvars.upload("proj", "prod", { variables: { TOKEN: "t" }, isSecret: true });
    const { id } = await v4.tasks.trigger("variable", { name: "GREETING" });
    expect((await v4.runs.poll(id, quick)).output).toBe("hello");
    // Its own `update` fails outside of a task, before it sends anything.
    const update = { method: "PUT", body: JSON.stringify({ value: "bye" }) };
    await api.fetch("/api/v1/projects/proj/envvars/prod/GREETING", update);
    expect(await v4.envvars.retrieve("proj", "prod", "GREETING")).toMatchObject({ value: "bye" });
    for (const name of ["GREETING", "PORT"]) await v4.envvars.del("proj", "prod", name);
    expect(await v4.envvars.list("proj", "prod")).toEqual([
      { name: "TOKEN", value: "<redacted>", isSecret: true },
    ]);
    const gone = await v4.tasks.trigger("variable", { name: "GREETING" });
    expect((await v4.runs.poll(gone.id, quick)).output).toBeNull();
  });

  call(current, "wait.createToken, completeToken, retrieveToken, listTokens", async () => {
    const options = { timeout: "1h", tags: ["conformance"], idempotencyKey: "token" };
    const token = await v4.wait.createToken(options);
    expect(await v4.wait.createToken(options)).toMatchObject({ id: token.id, isCached: true });
    expect(await v4.wait.retrieveToken(token)).toMatchObject({ status: "WAITING", tags: ["conformance"] });
    await v4.wait.completeToken(token, { n: 1 });
    expect(await v4.wait.retrieveToken(token.id)).toMatchObject({ status: "COMPLETED", output: { n: 1 } });
    const listed: string[] = [];
    for await (const { id } of v4.wait.listTokens({ tags: ["conformance"] })) listed.push(id);
    expect(listed).toEqual([token.id]);
  });

  const notOffered: [string, () => PromiseLike<unknown>][] = [
    ["runs.bulk.cancel", () => v4.runs.bulk.cancel({ filter: { taskIdentifier: "echo" } })],
    ["concurrencyLimits.list", () => v4.concurrencyLimits.list()],
    ["deployments.retrieveCurrent", () => v4.deployments.retrieveCurrent()],
    ["query.execute", () => v4.query.execute("select 1")],
  ];
  test.each(notOffered)("%s is refused with an answer that says it is not supported", async (name, ask) => {
    await expect(ask()).rejects.toThrow(/Fairlead does not offer/);
    seen.note(name, current, "not offered, and says so");
  });

  test("realtime calls are refused with an answer that says so, which the client does not show", async () => {
    const answer = await api.fetch("/realtime/v1/runs/run_a");
    expect(answer.status).toBe(404);
    expect(await answer.json()).toEqual({ error: expect.stringMatching(/does not offer .*runs\.subscribe/) });
    seen.note(
      "runs.subscribeToRun, subscribeToRunsWithTag, subscribeToBatch",
      current,
      "not offered; waits for ever",
    );
  });

  test("invalid options are refused with their name", async () => {
    await expect(v4.tasks.trigger("echo", {}, { ttl: "2030-01-01" })).rejects.toThrow(/options\.ttl/);
    const tags = Array.from({ length: 11 }, (_, n) => `t${n}`);
    await expect(v4.tasks.trigger("echo", {}, { tags })).rejects.toThrow(/options\.tags/);
    const debounce = { key: "k", delay: "10s", maxDelay: "5s" };
    await expect(v4.tasks.trigger("echo", {}, { debounce })).rejects.toThrow(/debounce\.maxDelay/);
  });
});

describe(older, () => {
  version3Calls((name, body) => call(older, name, body), { url: () => api.url, batchEnd });
});

test("a revoked secret key stops working within seconds", async () => {
  expect((await api.fetch("/api/v1/runs")).status).toBe(200);
  expect((await api.fetch("/api/v1/runs", {}, "tr_prod_wrong")).status).toBe(401);
  await api.revoke();
  await waitFor("the key is refused", async () => (await api.fetch("/api/v1/runs")).status === 401, {
    timeoutMs: 5_000,
  });
});
