/**
 * The bundled runner, run as a process: what a task returns or throws, and how the API and the kubelet learn
 * of it.
 */
import { createHash } from "node:crypto";
import type { TaskContext } from "@fairlead/protocol/context";
import { errorLimits } from "@fairlead/protocol/report";
import superjson from "superjson";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunnerImage, reportIn } from "../../support/runnerProcess.ts";
import { ScriptedEngine } from "../../support/servers/scriptedEngine.ts";

let image: RunnerImage;
let engine: ScriptedEngine;

beforeAll(async () => {
  image = await RunnerImage.build();
});
afterAll(() => image.remove());
beforeEach(async () => {
  engine = await ScriptedEngine.start();
});
afterEach(() => engine.close());

const sha256 = (data: Buffer): string => createHash("sha256").update(data).digest("hex");

describe("a task that returns", () => {
  it("a task's output is stored, reported, and in the termination message", async () => {
    const payload = { name: "Ada", list: [1, null, "ü🚢"] };
    const ended = await image.run(engine, "echo", { payload });
    expect(ended.exitCode).toBe(0);
    expect(engine.stored?.toString()).toBe(JSON.stringify(payload));
    expect(engine.callsOf("put")[0]?.headers["content-type"]).toBe("application/json");
    expect(engine.report).toMatchObject({
      v: 1,
      attempt: 1,
      podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
      outcome: "completed",
      output: {
        type: "application/json",
        key: "ns/default/output",
        size: engine.stored?.length,
        sha256: sha256(engine.stored as Buffer),
        data: JSON.stringify(payload),
      },
    });
    expect(reportIn(ended)).toEqual(engine.report);
    expect(Date.parse(engine.report.finishedAt)).toBeGreaterThanOrEqual(Date.parse(engine.report.startedAt));
    expect(ended.stderr).toBe("");
  });

  it("a task's start is reported to the API, with the time that the report repeats", async () => {
    const ended = await image.run(engine, "sleep", { payload: { ms: 200 } });
    expect(ended.exitCode).toBe(0);
    const start = JSON.parse(engine.callsOf("start")[0]?.body.toString() ?? "");
    expect(start).toEqual({ startedAt: engine.report.startedAt });
    expect(JSON.parse(engine.callsOf("output")[0]?.body.toString() ?? "")).toEqual({
      size: engine.stored?.length,
      type: "application/json",
    });
  });

  it("a task's code does not wait for modules that only its end needs", async () => {
    const source = `
      const catalog = globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"];
      const tasks = { set: (id, { run }) => catalog.registerTaskMetadata({ id, fns: { run } }) };
      tasks.set("loaded", { id: "loaded", run: () => process.moduleLoadList });`;
    await image.run(engine, "loaded", { env: { FAIRLEAD_ENTRY: image.module(source) } });
    const loaded: string[] = JSON.parse(engine.stored?.toString() ?? "");
    expect(loaded).toContain("NativeModule fs");
    expect(loaded.filter((name) => /^NativeModule (https|crypto|tls|.*undici)/.test(name))).toEqual([]);
  });

  it("a task that returns undefined has no output", async () => {
    const ended = await image.run(engine, "echo");
    expect(ended.exitCode).toBe(0);
    expect(engine.report.output).toBeUndefined();
    expect(engine.callsOf("output")).toHaveLength(0);
  });

  it("a string is stored as JSON", async () => {
    await image.run(engine, "echo", { payload: "plain" });
    expect(engine.report.output).toMatchObject({ type: "application/json", data: '"plain"' });
  });

  it("a value that JSON cannot express is superjson, in the bucket and in the report", async () => {
    const ended = await image.run(engine, "typed-output");
    const type = "application/super+json";
    expect(engine.callsOf("put")[0]?.headers["content-type"]).toBe(type);
    expect(engine.report.output).toMatchObject({ type, data: engine.stored?.toString() });
    expect(reportIn(ended)).toEqual(engine.report);
    const output = superjson.parse<Record<string, unknown>>(engine.stored?.toString() ?? "");
    expect(output).toMatchObject({ at: new Date(0), total: 10n });
    expect((output.child as Record<string, unknown>)["of the"]).toBe(output);
  });

  it("a task's context has dates as Date objects", async () => {
    await image.run(engine, "context", { payload: {} });
    const { ctx, aborted } = superjson.parse<{ ctx: TaskContext; aborted: boolean }>(
      engine.stored?.toString() ?? "",
    );
    expect(aborted).toBe(false);
    const createdAt = new Date("2026-01-01T00:00:00.000Z");
    expect(ctx.run).toMatchObject({ id: "run_test", createdAt, tags: ["a"] });
    expect(ctx.attempt.number).toBe(1);
  });

  it("an output above 4 KiB is not in the termination message, and one above 8 KiB not in the report", async () => {
    const middle = await image.run(engine, "big-output", { payload: { bytes: 6000 } });
    expect(engine.report.output?.data).toHaveLength(6000);
    expect(reportIn(middle).output).toEqual({ ...engine.report.output, data: undefined });
    await engine.close();
    engine = await ScriptedEngine.start();
    const large = await image.run(engine, "big-output", { payload: { bytes: 2 * 1024 * 1024 } });
    expect(large.exitCode).toBe(0);
    expect(engine.stored).toHaveLength(2 * 1024 * 1024);
    expect(engine.report.output).toEqual({
      type: "application/json",
      key: "ns/default/output",
      size: 2 * 1024 * 1024,
      sha256: sha256(engine.stored as Buffer),
    });
    expect(reportIn(large)).toEqual(engine.report);
  });
});

describe("a task that fails", () => {
  it.each([
    [
      "throws",
      { name: "PaymentError", message: "the card was declined", code: "TASK_ERROR", retryable: true },
    ],
    ["aborts", { name: "AbortTaskRunError", code: "ABORTED", retryable: false }],
    ["unhandled-rejection", { message: "nobody awaits this", code: "UNHANDLED_REJECTION", retryable: true }],
    ["uncaught", { message: "thrown in a timer", code: "UNCAUGHT_EXCEPTION", retryable: true }],
    [
      "never-settles",
      { message: expect.stringContaining("run never settled"), code: "PROCESS_EXIT", retryable: true },
    ],
    [
      "unreadable-output",
      {
        message: expect.stringMatching(/output\.items\[1\].*: cannot be read: Error: not loaded/),
        code: "OUTPUT_NOT_SERIALIZABLE",
        retryable: false,
      },
    ],
  ])("the task %s has a clear error in the report and in the termination message", async (id, error) => {
    const ended = await image.run(engine, id);
    expect(ended.exitCode).toBe(1);
    expect(engine.report.outcome).toBe("failed");
    expect(engine.report.error).toMatchObject(error);
    expect(reportIn(ended)).toEqual(engine.report);
    expect(ended.stderr).toContain(engine.report.error?.message);
    expect(engine.callsOf("put")).toHaveLength(0);
  });

  it("the error's stack shows the task's code and the cause, without the runner's frames", async () => {
    await image.run(engine, "throws");
    const stack = engine.report.error?.stack ?? "";
    expect(stack).toContain("tasks.mjs");
    expect(stack).toContain("Caused by: Error: connect ECONNREFUSED 10.0.0.1:5432");
    expect(stack).not.toContain("runner.mjs");
  });

  it.each([
    [0, false],
    [3, true],
  ])("process.exit(%i) in a task is an error; tried again: %s", async (code, retryable) => {
    const ended = await image.run(engine, "exits", { payload: { code } });
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout).toContain("about to exit");
    expect(reportIn(ended).error).toMatchObject({ code: "PROCESS_EXIT", retryable });
    expect(reportIn(ended).error?.message).toContain(`process.exit(${code}) during run; return from run`);
    expect(reportIn(ended).error?.stack).toContain("tasks.mjs");
  });

  it("a task's cleanup runs after an uncaught exception", async () => {
    expect((await image.run(engine, "uncaught")).stdout).toBe("cleanup\n");
  });

  it("an unhandled rejection after the result is known is ignored", async () => {
    engine.answers.output = () => ({
      status: 200,
      delayMs: 300,
      body: { url: `${engine.url}/bucket/output`, key: "k" },
    });
    const ended = await image.run(engine, "late-rejection");
    expect(ended.exitCode).toBe(0);
    expect(engine.report.outcome).toBe("completed");
    expect(ended.stderr).toContain("too late to matter");
  });

  it.each([
    ["a text", "just text", "just text"],
    ["null", null, "null was thrown, not an Error"],
    ["an object", { status: 500 }, "{ status: 500 } was thrown, not an Error"],
    ["an error-like object", { name: "HttpError", message: "bad gateway" }, "bad gateway"],
  ])("%s that was thrown is described", async (_what, payload, message) => {
    await image.run(engine, "throws-value", { payload });
    expect(engine.report.error?.message).toBe(message);
  });

  it("a long error message is cut for the report and for the termination message", async () => {
    const ended = await image.run(engine, "throws", { payload: { message: "🚢".repeat(5000) } });
    expect(engine.report.error?.message.length).toBeLessThanOrEqual(errorLimits.message);
    expect(engine.report.error?.message).toMatch(/^(🚢)+…$/u);
    expect(reportIn(ended).error?.message).toMatch(/^(🚢)+…$/u);
  });
});

describe("the module", () => {
  const load = (source: string) =>
    image.run(engine, "echo", { env: { FAIRLEAD_ENTRY: image.module(source) } });

  it.each([
    ["throws", 'throw new Error("DATABASE_URL is not set")', "DATABASE_URL is not set"],
    ["has a syntax error", "export const = 1;", "Unexpected token"],
    ["imports what is not there", 'import "no-such-package";', "no-such-package"],
    ["waits for ever", "await new Promise(() => {});", "never settled"],
  ])("a module that %s fails the attempt", async (_what, source, message) => {
    const ended = await load(source);
    expect(ended.exitCode).toBe(1);
    expect(engine.report.error?.message).toContain(message);
    expect(engine.report.error?.code).toMatch(/TASK_LOAD_ERROR|PROCESS_EXIT/);
  });

  it("a missing module fails the attempt with the path that was tried", async () => {
    await image.run(engine, "echo", { env: { FAIRLEAD_ENTRY: "/app/missing.mjs" } });
    expect(engine.report.error).toMatchObject({ code: "TASK_LOAD_ERROR", retryable: false });
    expect(engine.report.error?.message).toContain("/app/missing.mjs");
  });

  it("a module that defines no task fails the attempt", async () => {
    await load("export {};");
    expect(engine.report.error?.message).toContain("defines no task");
  });
});

describe("hooks", () => {
  it("hooks run in order around a run that returns", async () => {
    const ended = await image.run(engine, "hooks", { payload: {} });
    expect(ended.stdout.trim().split("\n")).toEqual([
      "onStart",
      "onStartAttempt 1",
      "run",
      'onSuccess {"ran":true}',
      "onComplete true",
      "cleanup",
    ]);
    expect(engine.calls.map((call) => call.endpoint).filter((name) => name !== "start")).toEqual([
      "output",
      "put",
      "report",
    ]);
  });

  it("onStart runs before the first attempt only, and onFailure after the last only", async () => {
    const second = await image.run(engine, "hooks", { payload: { fail: "run" }, attempt: 2 });
    expect(second.stdout.trim().split("\n")).toEqual(["onStartAttempt 2", "run", "cleanup"]);
    const third = await image.run(engine, "hooks", { payload: { fail: "run" }, attempt: 3 });
    expect(third.stdout.trim().split("\n")).toEqual([
      "onStartAttempt 3",
      "run",
      'onFailure "run failed"',
      "onComplete false",
      "cleanup",
    ]);
  });

  it("hooks do not count attempts that the infrastructure lost", async () => {
    const ctx = { infrastructureRetries: 1 };
    const ended = await image.run(engine, "hooks", { payload: { fail: "run" }, attempt: 3, ctx });
    expect(ended.stdout).not.toContain("onFailure");
  });

  it.each(["onStart", "onStartAttempt", "cleanup"])(
    "an attempt fails when its hook %s throws",
    async (fail) => {
      const ended = await image.run(engine, "hooks", { payload: { fail } });
      expect(ended.exitCode).toBe(1);
      expect(engine.report.error).toMatchObject({ code: "TASK_ERROR", message: `${fail} failed` });
    },
  );

  it.each(["onSuccess", "onComplete"])("the result does not change when the hook %s throws", async (fail) => {
    const ended = await image.run(engine, "hooks", { payload: { fail } });
    expect(ended.exitCode).toBe(0);
    expect(engine.report.outcome).toBe("completed");
    expect(ended.stderr).toContain(`${fail} failed`);
    expect(ended.stdout).toContain("cleanup");
  });
});
