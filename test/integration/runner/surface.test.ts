/**
 * What a task's code reaches through its SDK besides hooks: metadata, locals, usage, tags, keys, schemas.
 * With the official SDK and with ours, in the bundled runner; the API is scripted.
 */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunnerImage } from "../../support/runnerProcess.ts";
import { ScriptedEngine } from "../../support/servers/scriptedEngine.ts";
import { bundleTasks } from "../../support/taskBundle.ts";

const source = `
import * as sdk from "@trigger.dev/sdk";
import { idempotencyKeys, locals, metadata, OutOfMemoryError, queue, schemaTask, schedules, tags, task, tasks, timeout, usage } from "@trigger.dev/sdk";
import { z } from "zod";

const db = locals.create<string>("db");
tasks.middleware("db", async ({ next }) => { locals.set(db, "open"); await next(); });
export const q = queue({ name: "emails", concurrencyLimit: 2 });

task({ id: "locals", run: async () => locals.getOrThrow(db) });
task({ id: "metadata", run: async () => {
  metadata.set("status", "begun").set("n", 1).increment("n", 2).append("list", "a").append("list", "b").remove("list", "a").del("status");
  metadata.decrement("n");
  metadata.set("$.deep.down", [1]);
  metadata.parent.set("fromChild", true);
  metadata.root.increment("children", 1);
  return { current: metadata.current(), n: metadata.get("n") };
} });
task({ id: "metadata-flush", run: async () => {
  metadata.replace({ a: 1 });
  await metadata.flush();
  return metadata.current();
} });
task({ id: "metadata-odd", run: async () => {
  metadata.set("__proto__", 1).set("text", "x").increment("text", 5).remove("nothing", 1).set("same", 1).set("same", 1);
  return metadata.current();
} });
task({ id: "usage", run: async () => {
  const measured = await usage.measure(async () => { await new Promise((r) => setTimeout(r, 30)); return 7; });
  await sdk.heartbeats?.yield();
  return { result: measured.result, ms: measured.compute.durationMs, attempt: usage.getCurrent().compute.attempt.durationMs, none: timeout.None };
} });
task({ id: "tags", run: async () => { await tags.add(["one", "two"]); return 1; } });
task({ id: "keys", run: async () => ({
  run: await idempotencyKeys.create("k"),
  again: await idempotencyKeys.create(["k"], { scope: "run" }),
  attempt: await idempotencyKeys.create("k", { scope: "attempt" }),
  global: await idempotencyKeys.create("k", { scope: "global" }),
}) });
schemaTask({ id: "schema", schema: z.object({ n: z.coerce.number(), d: z.string().default("x") }), run: async (payload) => payload });
task({ id: "memory", onFailure: async () => { console.log("failed for good"); }, run: async () => { throw new OutOfMemoryError(); } });
task({ id: "whole-context", run: async (_payload, { ctx }) => ctx });
const first = process.env.TRIGGER_SECRET_KEY;
task({ id: "first-variables", run: async () => first });
task({ id: "variables", run: async () => ({ url: process.env.TRIGGER_API_URL, key: process.env.TRIGGER_SECRET_KEY ?? null }) });
schedules.task({ id: "scheduled", cron: "0 * * * *", run: async (payload) => ({ year: payload.timestamp.getUTCFullYear(), last: payload.lastTimestamp ?? null, upcoming: payload.upcoming.length }) });
`;

let image: RunnerImage;
let engine: ScriptedEngine;
let entry: string;

beforeAll(async () => {
  image = await RunnerImage.build();
});
afterAll(() => image.remove());
beforeEach(async () => {
  engine = await ScriptedEngine.start();
});
afterEach(() => engine.close());

const versions = process.env.SDKS?.split(",") ?? ["@trigger.dev/sdk", "@fairlead/sdk"];

describe.each(versions)("a task file with %s", (sdk) => {
  beforeAll(async () => {
    entry = await bundleTasks(source, join(image.folder, `${sdk.replaceAll(/\W/g, "-")}.mjs`), sdk);
  });
  const run = (id: string, options: Parameters<RunnerImage["run"]>[2] = {}) =>
    image.run(engine, id, { payload: {}, ...options, env: { FAIRLEAD_ENTRY: entry, ...options.env } });
  const output = (): unknown => JSON.parse(engine.report.output?.data ?? "null");
  const sent = (): Record<string, unknown>[] =>
    engine.callsOf("runMetadata").map(({ body }) => JSON.parse(body.toString()));

  it("locals hold what middleware put into them", async () => {
    await run("locals");
    expect(output()).toBe("open");
  });

  it("metadata change at once for the task, and are sent once for all, before the report", async () => {
    await run("metadata");
    expect(output()).toEqual({
      current: { n: 2, list: ["b"], deep: { down: [1] }, fromChild: true, children: 1 },
      n: 2,
    });
    expect(sent()).toEqual([
      {
        operations: [
          { type: "set", key: "status", value: "begun" },
          { type: "set", key: "n", value: 1 },
          { type: "increment", key: "n", value: 2 },
          { type: "append", key: "list", value: "a" },
          { type: "append", key: "list", value: "b" },
          { type: "remove", key: "list", value: "a" },
          { type: "delete", key: "status" },
          { type: "increment", key: "n", value: -1 },
          { type: "set", key: "$.deep.down", value: [1] },
          { type: "set", key: "fromChild", value: true },
          { type: "increment", key: "children", value: 1 },
        ],
      },
    ]);
    const order = engine.calls.map(({ endpoint }) => endpoint).filter((one) => /etadata|report/.test(one));
    expect(order).toEqual(["runMetadata", "report"]);
  });

  it("changes for a parent and a root go to them", async () => {
    await run("metadata", { ctx: { parentTaskRunId: "run_p", rootTaskRunId: "run_r" } });
    expect(sent().slice(1)).toEqual([
      { parentOperations: [{ type: "set", key: "fromChild", value: true }] },
      { rootOperations: [{ type: "increment", key: "children", value: 1 }] },
    ]);
  });

  it("metadata.flush sends, and takes over what the API has then", async () => {
    engine.answers.runMetadata = () => ({ status: 200, body: { metadata: { a: 1, byAChild: 2 } } });
    await run("metadata-flush");
    expect(output()).toEqual({ a: 1, byAChild: 2 });
    expect(sent()).toEqual([{ operations: [{ type: "update", value: { a: 1 } }] }]);
  });

  it("changes that cannot be made change nothing else", async () => {
    await run("metadata-odd");
    expect(output()).toEqual({ text: 5, same: 1 });
    expect(sent()).toEqual([
      {
        operations: [
          { type: "set", key: "text", value: 5 },
          { type: "set", key: "same", value: 1 },
        ],
      },
    ]);
  });

  it("an API that refuses one change of metadata keeps the others", async () => {
    engine.answers.runMetadata = (nth) =>
      JSON.stringify(sent()[nth]).includes('"list"')
        ? { status: 400, body: { error: "list: no" } }
        : { status: 200, body: { metadata: {} } };
    const ended = await run("metadata");
    expect(ended.exitCode).toBe(0);
    expect(ended.stderr.match(/the API refused append "list"/g)).toHaveLength(2);
    const accepted = sent().filter((body) => !JSON.stringify(body).includes('"list"'));
    expect(JSON.stringify(accepted)).toContain('"children"');
  });

  it("usage and timeout.None are there", async () => {
    await run("usage");
    expect(output()).toMatchObject({ result: 7, none: 2_147_483_647 });
    const { ms, attempt } = output() as { ms: number; attempt: number };
    expect(ms).toBeGreaterThan(20);
    expect(attempt).toBeGreaterThanOrEqual(ms);
  });

  it("tags.add calls the API with the attempt's token", async () => {
    await run("tags");
    const [call] = engine.callsOf("tags");
    expect(JSON.parse(call?.body.toString() ?? "")).toEqual({ tags: ["one", "two"] });
    expect(call?.headers.authorization).toBe("Bearer the-token");
  });

  it("code without an SDK finds the API and the attempt's token, unless its pod template has its own", async () => {
    await run("variables");
    expect(output()).toEqual({ url: engine.url, key: "the-token" });
    await engine.close();
    engine = await ScriptedEngine.start();
    await run("variables", { env: { TRIGGER_API_URL: "http://own", TRIGGER_SECRET_KEY: "tr_own" } });
    expect(output()).toEqual({ url: "http://own", key: "tr_own" });
    await engine.close();
    engine = await ScriptedEngine.start();
    await run("variables", { env: { TRIGGER_API_URL: "http://own" } });
    expect(output()).toEqual({ url: "http://own", key: null });
    await engine.close();
    engine = await ScriptedEngine.start();
    await run("first-variables");
    expect(output()).toMatch(/^pod-/);
  });

  it("idempotency keys differ by run, attempt and globally", async () => {
    await run("keys");
    const first = output() as Record<string, string>;
    expect(first.run).toBe(first.again);
    expect(new Set([first.run, first.attempt, first.global]).size).toBe(3);
  });

  it("a schema converts the payload, and one that does not match fails the run before any hook", async () => {
    await run("schema", { payload: { n: "4" } });
    expect(output()).toEqual({ n: 4, d: "x" });
    await engine.close();
    engine = await ScriptedEngine.start();
    await run("schema", { payload: { n: "four" } });
    expect(engine.report.error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: false });
    expect(engine.report.error?.message).toMatch(/^payload: does not match the task's schema: /);
  });

  it("a scheduled task gets the tick's times as dates", async () => {
    const payload = {
      type: "DECLARATIVE",
      timestamp: "2026-01-01T00:00:00.000Z",
      timezone: "UTC",
      scheduleId: "sched_a",
      upcoming: ["2026-01-01T01:00:00.000Z"],
    };
    await run("scheduled", { payload });
    expect(output()).toEqual({ year: 2026, last: null, upcoming: 1 });
  });

  it("OutOfMemoryError is an error of its own, and not tried again", async () => {
    const ended = await run("memory");
    expect(engine.report.error).toMatchObject({ code: "OUT_OF_MEMORY", retryable: false });
    expect(ended.stdout).toContain("failed for good");
  });

  it("ctx is whole", async () => {
    await run("whole-context");
    const ctx = JSON.parse(engine.stored?.toString() ?? "").json;
    expect(ctx).toMatchObject({
      task: { id: "whole-context", filePath: expect.any(String) },
      attempt: { number: 1 },
      run: { id: "run_test", isTest: false, isReplay: false, costInCents: 0, tags: ["a"], maxAttempts: 3 },
      queue: { id: expect.any(String), name: "task/whole-context" },
      environment: { id: "default", slug: "default", type: "PRODUCTION" },
      organization: { slug: "default" },
      project: { ref: "proj_default" },
    });
  });
});
