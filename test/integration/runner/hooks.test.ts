/**
 * Task files run with the SDK that they import: the same file with the official one and with ours, in the
 * bundled runner. What is called, in which order, with what, and what its errors do.
 */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunnerImage } from "../../support/runnerProcess.ts";
import { ScriptedEngine } from "../../support/servers/scriptedEngine.ts";
import { bundleTasks } from "../../support/taskBundle.ts";

const source = `
import { AbortTaskRunError, logger, task, tasks } from "@trigger.dev/sdk";

const said: string[] = [];
const say = (what: string) => {
  said.push(what);
  console.log("said", what);
};
const name = (params: any) => (params.init ? JSON.stringify(params.init) : "-");

if (process.env.WITH_GLOBALS) {
  tasks.middleware("outer", async ({ next }) => {
    say("outer in");
    await next();
    say("outer out");
  });
  tasks.onStart(async function globalStart() { say("global start"); });
  tasks.onStartAttempt(async function globalAttempt() { say("global attempt"); });
  tasks.onSuccess(async function globalSuccess() { say("global success"); });
  tasks.onFailure(async function globalFailure() { say("global failure"); });
  tasks.onComplete(async function globalComplete() { say("global complete"); });
  tasks.catchError(async function globalCatch() { say("global catch"); });
}

const hooks = {
  middleware: async ({ next }: any) => {
    say("own in");
    await next();
    say("own out");
  },
  init: async () => ({ db: "open" }),
  onStart: async (params: any) => say("start " + name(params)),
  onStartAttempt: async () => say("attempt"),
  onSuccess: async ({ output }: any) => say("success " + JSON.stringify(output)),
  onFailure: async ({ error }: any) => say("failure " + error.message),
  onComplete: async ({ result }: any) => say("complete " + result.ok),
  cleanup: async (params: any) => say("cleanup " + name(params)),
};

task({
  id: "all-hooks",
  ...hooks,
  run: async (payload: any, params: any) => {
    say("run " + name(params));
    if (payload?.fail) throw new Error("on purpose");
    return { n: 1 };
  },
});

task({
  id: "catches",
  ...hooks,
  catchError: async ({ payload, error, retryAt, retryDelayInMs }: any) => {
    say("catch " + (error as Error).message + " " + (retryAt ? "followed" : "last") + " " + typeof retryDelayInMs);
    if (payload.answer?.retryAt) return { retryAt: new Date(Date.now() + payload.answer.retryAt) };
    if (payload.answer?.throws) throw new Error("catchError broke");
    if (payload.answer?.replace) return { error: new Error("replaced"), retryDelayInMs: 1000 };
    return payload.answer;
  },
  run: async ({ status }: any) => {
    throw status ? Object.assign(new Error("api"), { name: "TriggerApiError", status }) : new Error("on purpose");
  },
});

task({ id: "aborts", catchError: async () => say("catch"), run: async () => { throw new AbortTaskRunError("no"); } });
task({ id: "no-next", middleware: async () => say("in"), run: async () => say("run") });
task({ id: "middleware-throws", middleware: async ({ next }: any) => { await next(); throw new Error("after"); }, run: async () => 1 });
task({ id: "cleanup-throws", cleanup: async () => { throw new Error("not closed"); }, run: async () => 1 });
task({ id: "traces", run: async () => logger.trace("step", async (span) => { span.setAttribute("n", 1); return "done"; }) });
`;

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

const said = (stdout: string): string[] =>
  stdout.split("\n").flatMap((line) => (line.startsWith("said ") ? [line.slice(5)] : []));

describe.each(process.env.SDKS?.split(",") ?? ["@trigger.dev/sdk", "@fairlead/sdk"])(
  "a task file with %s",
  (sdk) => {
    let entry: string;
    beforeAll(async () => {
      entry = await bundleTasks(source, join(image.folder, `${sdk.replaceAll(/\W/g, "-")}.mjs`), sdk);
    });
    const run = (id: string, options: Parameters<RunnerImage["run"]>[2] = {}) =>
      image.run(engine, id, { payload: {}, ...options, env: { FAIRLEAD_ENTRY: entry, ...options.env } });

    it("runs all hooks of a task in their order, with what init returned", async () => {
      const ended = await run("all-hooks");
      expect(said(ended.stdout)).toEqual([
        "own in",
        'start {"db":"open"}',
        "attempt",
        'run {"db":"open"}',
        'success {"n":1}',
        "complete true",
        'cleanup {"db":"open"}',
        "own out",
      ]);
      expect(engine.report.output?.data).toBe('{"n":1}');
    });

    it("runs global hooks before the task's own, and their middleware around its", async () => {
      const ended = await run("all-hooks", { env: { WITH_GLOBALS: "1" } });
      expect(said(ended.stdout)).toEqual([
        "outer in",
        "own in",
        "global start",
        'start {"db":"open"}',
        "global attempt",
        "attempt",
        'run {"db":"open"}',
        "global success",
        'success {"n":1}',
        "global complete",
        "complete true",
        'cleanup {"db":"open"}',
        "own out",
        "outer out",
      ]);
    });

    it("runs onFailure and onComplete only when no other attempt follows", async () => {
      const first = await run("all-hooks", { payload: { fail: true }, env: { WITH_GLOBALS: "1" } });
      expect(said(first.stdout)).toContain("global catch");
      expect(said(first.stdout).filter((line) => /failure|complete/.test(line))).toEqual([]);
      await engine.close();
      engine = await ScriptedEngine.start();
      const last = await run("all-hooks", { payload: { fail: true }, attempt: 3 });
      expect(said(last.stdout).slice(2)).toEqual([
        'run {"db":"open"}',
        "failure on purpose",
        "complete false",
        'cleanup {"db":"open"}',
        "own out",
      ]);
      expect(engine.report.error).toMatchObject({ message: "on purpose", retryable: true });
    });

    it.each([
      ["nothing", undefined, { retryable: true, message: "on purpose" }],
      ["skipRetrying", { skipRetrying: true }, { retryable: false, message: "on purpose" }],
      ["retryDelayInMs", { retryDelayInMs: 5000 }, { retryable: true, retryDelayMs: 5000 }],
      ["retryAt", { retryAt: 60_000 }, { retryable: true, retryDelayMs: expect.any(Number) }],
      ["a policy", { retry: { maxAttempts: 5, minTimeoutInMs: 7, randomize: false } }, { retryDelayMs: 7 }],
      ["a policy without attempts left", { retry: { maxAttempts: 1 } }, { retryable: false }],
      ["another error", { replace: true }, { message: "replaced", retryDelayMs: 1000 }],
    ])("catchError that returns %s decides what follows", async (_what, answer, error) => {
      const ended = await run("catches", { payload: { answer } });
      expect(said(ended.stdout)).toContain("catch on purpose followed number");
      expect(engine.report.error).toMatchObject(error);
      const isFollowed = engine.report.error?.retryable;
      expect(said(ended.stdout).some((line) => line.startsWith("failure"))).toBe(!isFollowed);
    });

    it("catchError may ask for another attempt after the last one", async () => {
      const ended = await run("catches", { payload: { answer: { retryDelayInMs: 10 } }, attempt: 3 });
      expect(said(ended.stdout)).toContain("catch on purpose last undefined");
      expect(engine.report.error).toMatchObject({ retryable: true, retryDelayMs: 10 });
    });

    it("an error of catchError fails the run", async () => {
      await run("catches", { payload: { answer: { throws: true } } });
      expect(engine.report.error).toMatchObject({
        ...{ code: "HANDLE_ERROR_ERROR", message: "catchError broke", retryable: false },
      });
    });

    it.each([
      [404, false],
      [408, true],
      [429, true],
      [500, true],
    ])("an answer %i of the API: retryable %s", async (status, retryable) => {
      const ended = await run("catches", { payload: { status } });
      expect(engine.report.error?.retryable).toBe(retryable);
      expect(said(ended.stdout).some((line) => line.startsWith("catch"))).toBe(retryable);
    });

    it("an AbortTaskRunError asks no catchError", async () => {
      const ended = await run("aborts");
      expect(said(ended.stdout)).toEqual([]);
      expect(engine.report.error).toMatchObject({ code: "ABORTED", retryable: false });
    });

    it("middleware that does not call next fails the attempt, and run is not called", async () => {
      const ended = await run("no-next");
      expect(said(ended.stdout)).toEqual(["in"]);
      expect(engine.report.error).toMatchObject({ code: "TASK_MIDDLEWARE_ERROR" });
      expect(engine.report.error?.message).toContain("without having called next()");
    });

    it.each(["middleware-throws", "cleanup-throws"])(
      "%s fails an attempt that had not failed",
      async (id) => {
        const ended = await run(id);
        expect(ended.exitCode).toBe(1);
        expect(engine.report).toMatchObject({ outcome: "failed", error: { retryable: true } });
      },
    );

    it("a trace is a line of the log, and gives back what its function returns", async () => {
      const ended = await run("traces");
      expect(engine.report.output?.data).toBe('"done"');
      const line = ended.stdout.split("\n").find((one) => one.includes('"step"')) ?? "";
      expect(JSON.parse(line)).toMatchObject({
        message: "step",
        span: true,
        n: 1,
        durationMs: expect.any(Number),
      });
    });
  },
);
