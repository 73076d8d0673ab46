/** The bundled runner when the API, the bucket or the payload is faulty. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunnerImage, reportIn } from "../../support/runnerProcess.ts";
import { ScriptedEngine } from "../../support/servers/scriptedEngine.ts";

const inline = (text: string, type = "application/json") => ({ type, text });

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

describe("an API that is down once the attempt has begun", () => {
  beforeEach(() => {
    for (const endpoint of ["token", "output", "report"] as const) engine.answers[endpoint] = () => undefined;
  });

  it("a small output is in the termination message while the API is down, after a bounded wait", async () => {
    const ended = await image.run(engine, "echo", { payload: { n: 1 } });
    expect(ended.exitCode).toBe(0);
    const report = reportIn(ended);
    expect(report).toMatchObject({ outcome: "completed", output: { size: 7, data: '{"n":1}' } });
    expect(report.output?.key).toBeUndefined();
    expect(ended.stderr).toContain("the termination message has it");
  });

  it("an output that fits nowhere fails the attempt, which may be retried", async () => {
    const ended = await image.run(engine, "big-output", { payload: { bytes: 6000 } });
    expect(ended.exitCode).toBe(1);
    const { error } = reportIn(ended);
    expect(error).toMatchObject({ code: "OUTPUT_UPLOAD_FAILED", retryable: true });
    expect(error?.message).toMatch(/6000 bytes.*(ECONNRESET|socket hang up)/);
  });

  it("an error is in the termination message while the API is down", async () => {
    const ended = await image.run(engine, "throws");
    expect(ended.exitCode).toBe(1);
    expect(reportIn(ended).error?.name).toBe("PaymentError");
  });
});

describe("an API with faults", () => {
  it("an API that fails is called again", async () => {
    engine.answers.output = (nth) =>
      nth < 2
        ? { status: 503, body: { error: "restarting" } }
        : { status: 200, body: { url: `${engine.url}/bucket/output`, key: "k" } };
    engine.answers.put = (nth) => (nth < 1 ? undefined : { status: 200 });
    engine.answers.report = (nth) => (nth < 1 ? { status: 500, body: { error: "oops" } } : { status: 204 });
    const ended = await image.run(engine, "echo", { payload: 1 });
    expect(ended.exitCode).toBe(0);
    expect(engine.callsOf("put")).toHaveLength(2);
    expect(engine.callsOf("output")).toHaveLength(4);
    expect(engine.callsOf("report")).toHaveLength(2);
    expect(reportIn(ended).output?.key).toBe("k");
  });

  it("a slow API is waited for", async () => {
    engine.answers.start = () => ({ status: 200, body: engine.startAnswer(), delayMs: 1500 });
    engine.answers.report = () => ({ status: 204, delayMs: 1500 });
    const ended = await image.run(engine, "echo");
    expect(ended.exitCode).toBe(0);
    expect(engine.report.outcome).toBe("completed");
    expect(ended.stderr).toBe("");
  });

  it("an API that does not answer is given up, and the result is durable before it is reported", async () => {
    engine.answers.report = () => "never";
    const started = image.start(engine, "echo", { payload: 1 });
    await engine.called("report");
    expect(JSON.parse(started.message())).toMatchObject({ outcome: "completed" });
    const ended = await started.ended;
    expect(ended.exitCode).toBe(0);
  });

  it("a refusal by the API is not repeated, and the exit code still says the outcome", async () => {
    const refusal = () => ({ status: 409, body: { error: "attempt 1 is not the current one, 2 is" } });
    engine.answers.report = refusal;
    const ended = await image.run(engine, "sleep", { payload: { ms: 100 } });
    expect(ended.exitCode).toBe(0);
    expect(engine.callsOf("report")).toHaveLength(1);
    // The attempt had ended otherwise: that is no matter of the user's log.
    expect(ended.stderr).toBe("");
    expect(reportIn(ended).outcome).toBe("completed");
  });

  it("a start is asked for until the API answers, and user code waits for it", async () => {
    engine.answers.start = (nth) =>
      nth < 2 ? undefined : { status: 200, body: engine.startAnswer({ payload: inline("7") }) };
    const ended = await image.run(engine, "echo");
    expect(ended.exitCode).toBe(0);
    expect(engine.callsOf("start")).toHaveLength(3);
    expect(engine.report.output?.data).toBe("7");
  });

  it.each([
    [409, true],
    [401, true],
    [422, false],
  ])("an attempt whose start is refused with %i executes nothing", async (status, retryable) => {
    engine.answers.start = () => ({ status, body: { error: "no" } });
    const ended = await image.run(engine, "log-many", { payload: { lines: 1 } });
    expect(ended).toMatchObject({ exitCode: 1, stdout: "" });
    expect(engine.callsOf("start")).toHaveLength(1);
    expect(reportIn(ended).error).toMatchObject({ code: "PAYLOAD_ERROR", retryable });
  });

  it("an attempt's token is renewed before it expires, with what the pod's token file has by then", async () => {
    engine.answers.start = () => ({ status: 200, body: { ...engine.startAnswer(), expiresInSeconds: 0 } });
    const ended = await image.run(engine, "echo");
    expect(ended.exitCode).toBe(0);
    expect(engine.callsOf("token").map(({ headers }) => headers.authorization)).toEqual([
      engine.callsOf("start")[0]?.headers.authorization,
    ]);
    expect(engine.report.outcome).toBe("completed");
  });

  it("an output that the API refuses as too large fails the attempt", async () => {
    engine.answers.output = () => ({ status: 413, body: { error: "too large" } });
    const ended = await image.run(engine, "big-output", { payload: { bytes: 9000 } });
    expect(ended.exitCode).toBe(1);
    expect(engine.report.error).toMatchObject({ code: "OUTPUT_TOO_LARGE", retryable: false });
    expect(engine.report.error?.message).toMatch(/9000 bytes.*104857600/);
    expect(engine.callsOf("output")).toHaveLength(1);
  });

  it("an invalid answer of the API does not end the runner without a result", async () => {
    engine.answers.output = () => ({ status: 200, body: "<html>" });
    const ended = await image.run(engine, "echo", { payload: { n: 1 } });
    expect(ended.exitCode).toBe(0);
    expect(engine.report.output).toMatchObject({ data: '{"n":1}' });
    expect(engine.report.output?.key).toBeUndefined();
  });
});

it("an output above 100 MB fails before it is uploaded, with both sizes", async () => {
  const ended = await image.run(engine, "big-output", { payload: { bytes: 100 * 1024 * 1024 + 1 } });
  expect(ended.exitCode).toBe(1);
  expect(engine.report.error).toMatchObject({ code: "OUTPUT_TOO_LARGE", retryable: false });
  expect(engine.report.error?.message).toContain("104857601 bytes, at most 104857600");
  expect(engine.callsOf("output")).toHaveLength(0);
});

it("an attempt whose termination message cannot be written is still reported", async () => {
  const ended = await image.run(engine, "echo", {
    payload: 1,
    env: { FAIRLEAD_TERMINATION_LOG: "/no/such/folder/log" },
  });
  expect(ended.exitCode).toBe(0);
  expect(engine.report.outcome).toBe("completed");
  expect(ended.stderr).toContain("the termination message cannot be written");
});

describe("the payload", () => {
  const byUrl = (type = "application/json") => ({
    given: { payload: { type, url: `${engine.url}/bucket/payload?signature=x` } },
  });

  it("a large payload is downloaded from its URL", async () => {
    const payload = { text: "ü".repeat(500_000) };
    engine.payload = JSON.stringify(payload);
    const ended = await image.run(engine, "echo", byUrl());
    expect(ended.exitCode).toBe(0);
    expect(JSON.parse(engine.stored?.toString() ?? "")).toEqual(payload);
    expect(engine.callsOf("payload")[0]?.headers.authorization).toBeUndefined();
  });

  it("the download of a payload is retried when the bucket fails", async () => {
    engine.answers.payload = (nth) => (nth < 2 ? { status: 503 } : { status: 200, body: '{"n":1}' });
    await image.run(engine, "echo", byUrl());
    expect(engine.report.output?.data).toBe('{"n":1}');
  });

  it("a payload that no longer exists fails the run without a retry", async () => {
    engine.answers.payload = () => ({ status: 404, body: "NoSuchKey" });
    await image.run(engine, "echo", byUrl());
    expect(engine.report.error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: false });
    expect(engine.report.error?.message).toContain("404 NoSuchKey");
  });

  it("a payload that cannot be downloaded fails the attempt, which may be retried with a new URL", async () => {
    engine.answers.payload = () => ({ status: 403, body: "Request has expired" });
    await image.run(engine, "echo", byUrl());
    expect(engine.report.error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: true });
  });

  it("a payload above the limit fails the run", async () => {
    engine.payload = `"${"x".repeat(10 * 1024 * 1024)}"`;
    await image.run(engine, "echo", byUrl());
    expect(engine.report.error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: false });
    expect(engine.report.error?.message).toContain("more than 10485760 bytes");
  });

  it("a payload is text when its type says so", async () => {
    const given = { payload: inline("{not json", "text/plain; charset=utf-8") };
    await image.run(engine, "echo", { given });
    expect(engine.report.output?.data).toBe('"{not json"');
  });

  it.each([
    ["is not JSON", inline("{oops"), "not valid application/json"],
    ["has a type that a task cannot read", inline("<a/>", "text/xml"), "text/xml"],
  ])("a payload that %s fails the run without a retry, before user code", async (_what, payload, message) => {
    await image.run(engine, "echo", { given: { payload } });
    expect(engine.report.error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: false });
    expect(engine.report.error?.message).toContain(message);
  });
});

describe("output lines", () => {
  it("output lines are complete when their reader is slow and the process exits", async () => {
    const ended = await image.run(engine, "log-many", {
      payload: { lines: 20_000 },
      readOutputAfterMs: 1500,
    });
    expect(ended.exitCode).toBe(0);
    expect(ended.stdout.match(/^line \d+ /gm)).toHaveLength(10_000);
    expect(ended.stdout).toContain("line 19999 ");
    expect(ended.stdout.trim().split("\n").at(-1)).toMatch(
      /^\{"time":".*","level":"info","message":"written","lines":20000\}$/,
    );
    expect(ended.stderr.match(/^line \d+ /gm)).toHaveLength(10_000);
  });
});

it("a log reader that disconnects costs log lines, not the run", async () => {
  engine.answers.output = (nth) =>
    nth === 0 ? { status: 409, body: { error: "makes the runner write to stderr too" } } : { status: 204 };
  const started = image.start(engine, "log-many", { payload: { lines: 1000 } });
  started.process.stdout?.destroy();
  started.process.stderr?.destroy();
  const ended = await started.ended;
  expect(ended).toMatchObject({ exitCode: 0, signal: null });
  expect(engine.report.outcome).toBe("completed");
});

describe("other ways to start the runner", () => {
  it("the runner names the variable that is missing", async () => {
    const ended = await image.run(engine, "");
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toContain("FAIRLEAD_TASK_ID: not set");
  });

  it("the runner with --warm writes itself and the tasks to the compile cache and runs nothing", async () => {
    const cache = join(image.folder, "cache");
    const env = { NODE_COMPILE_CACHE: cache };
    const args = ["--warm", join(image.folder, "tasks.mjs")];
    const ended = await image.run(engine, "", { env, args });
    expect(ended).toMatchObject({ exitCode: 0, stderr: "" });
    const files = readdirSync(cache, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(files.length).toBeGreaterThanOrEqual(2);
    expect(engine.calls).toHaveLength(0);
  });

  it("the runner with --warm accepts code that misses something at build time, and refuses invalid code", async () => {
    const env = { NODE_COMPILE_CACHE: join(image.folder, "cache") };
    const throwing = image.module('throw new Error("DATABASE_URL is not set")');
    expect((await image.run(engine, "", { env, args: ["--warm", throwing] })).exitCode).toBe(0);
    const broken = image.module("export const = 1;");
    writeFileSync(broken, "export const = 1;");
    expect((await image.run(engine, "", { env, args: ["--warm", broken] })).exitCode).toBe(1);
  });
});
