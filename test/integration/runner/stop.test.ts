/** The bundled runner and SIGTERM: the soft stop, and the termination message after the hard one. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
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

const stopping = (stopReason?: string) => () => ({ status: 200, body: { phase: "Stopping", stopReason } });

describe("a task that cleans up when it is stopped", () => {
  it.each(["canceled", "maxDuration"] as const)(
    "a stopped task learns that the reason is %s",
    async (reason) => {
      engine.answers.attempt = stopping(reason);
      const started = image.start(engine, "cleanup-in-grace", { payload: { cleanupMs: 300 } });
      await started.printed("working");
      started.process.kill("SIGTERM");
      const ended = await started.ended;
      expect(ended.signal).toBeNull();
      expect(ended.exitCode).toBe(1);
      const lines = ended.stdout.trim().split("\n");
      const expected = ["working", `stopped: ${reason}`, "cleaned up in run", "cleanup"];
      expect(lines.filter((line) => line !== "onCancel")).toEqual(expected);
      expect(lines.includes("onCancel")).toBe(reason === "canceled");
      expect(engine.callsOf("report")).toHaveLength(0);
      expect(JSON.parse(ended.message)).toMatchObject({
        v: 1,
        attempt: 1,
        podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
        outcome: "stopping",
        reason,
      });
    },
  );

  it("a stopped task may take as long as it needs to clean up, and a second SIGTERM changes nothing", async () => {
    engine.answers.attempt = stopping("canceled");
    const started = image.start(engine, "cleanup-in-grace", { payload: { cleanupMs: 1000 } });
    await started.printed("working");
    started.process.kill("SIGTERM");
    await started.printed("stopped: canceled");
    started.process.kill("SIGTERM");
    const ended = await started.ended;
    expect(ended.stdout).toContain("cleaned up in run");
    expect(engine.callsOf("attempt")).toHaveLength(1);
  });

  it("a task that is shut down without a requested stop leaves no result", async () => {
    const started = image.start(engine, "cleanup-in-grace", { payload: {} });
    await started.printed("working");
    started.process.kill("SIGTERM");
    const ended = await started.ended;
    expect(ended.stdout).toContain("stopped: shutdown");
    expect(ended.stdout).not.toContain("onFailure");
    expect(ended.exitCode).toBe(1);
    expect(JSON.parse(ended.message)).toMatchObject({ outcome: "stopping", reason: "shutdown" });
  });

  it("an error that a stopped task throws is in its log", async () => {
    engine.answers.attempt = stopping("canceled");
    const source = `
      const catalog = globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"];
      const tasks = { set: (id, { run }) => catalog.registerTaskMetadata({ id, fns: { run } }) };
      tasks.set("breaks", { id: "breaks", run: async (_payload, { signal }) => {
        console.log("working");
        while (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
        throw new Error("could not close the file");
      }});`;
    const started = image.start(engine, "breaks", { env: { FAIRLEAD_ENTRY: image.module(source) } });
    await started.printed("working");
    started.process.kill("SIGTERM");
    const ended = await started.ended;
    expect(ended.stderr).toContain("run failed after it was asked to stop: Error: could not close the file");
    expect(JSON.parse(ended.message)).toMatchObject({ outcome: "stopping", reason: "canceled" });
  });

  it("a task is stopped also when the API does not answer", async () => {
    engine.answers.attempt = () => "never";
    const started = image.start(engine, "cleanup-in-grace", { payload: { cleanupMs: 0 } });
    await started.printed("working");
    started.process.kill("SIGTERM");
    await started.printed("stopped: shutdown");
    await started.ended;
  });
});

describe("a task that returns a result when it is stopped", () => {
  it.each([
    ["shutdown", undefined, true],
    ["canceled", "canceled", false],
  ])("a result that a task returns after %s is stored and reported", async (type, reason, success) => {
    engine.answers.attempt = stopping(reason);
    const started = image.start(engine, "partial-result");
    await started.printed("working");
    started.process.kill("SIGTERM");
    const ended = await started.ended;
    expect(ended.exitCode).toBe(0);
    expect(engine.report.output?.data).toBe(JSON.stringify({ stoppedBy: type }));
    expect(reportIn(ended)).toEqual(engine.report);
    expect(ended.stdout.includes("onSuccess")).toBe(success);
    expect(ended.stdout).toContain("cleanup");
  });
});

it("a SIGTERM while the result is being reported does not lose it", async () => {
  engine.answers.report = () => ({ status: 204, delayMs: 500 });
  const started = image.start(engine, "echo", { payload: { n: 1 } });
  await engine.called("report");
  started.process.kill("SIGTERM");
  const ended = await started.ended;
  expect(ended).toMatchObject({ exitCode: 0, signal: null });
  expect(reportIn(ended).outcome).toBe("completed");
  expect(engine.callsOf("attempt")).toHaveLength(0);
});

it("a SIGTERM before user code began keeps it from beginning", async () => {
  engine.answers.payload = () => ({ status: 200, body: "1", delayMs: 1000 });
  const given = { payload: { type: "application/json", url: `${engine.url}/bucket/payload` } };
  const started = image.start(engine, "cleanup-in-grace", { given });
  await engine.called("payload");
  started.process.kill("SIGTERM");
  const ended = await started.ended;
  expect(ended.stdout).toBe("");
  expect(ended.exitCode).toBe(1);
  expect(JSON.parse(ended.message)).toMatchObject({ outcome: "stopping" });
});

describe("a task that has to be killed", () => {
  it("the termination message of a task that ignored SIGTERM says that it was asked to stop", async () => {
    engine.answers.attempt = stopping("maxDuration");
    const started = image.start(engine, "ignore-sigterm");
    await started.printed("ignoring SIGTERM");
    started.process.kill("SIGTERM");
    await vi.waitFor(() => expect(started.message()).toContain("maxDuration"), { timeout: 20_000 });
    expect(started.process.exitCode).toBeNull();
    started.process.kill("SIGKILL");
    const ended = await started.ended;
    expect(ended.signal).toBe("SIGKILL");
    expect(JSON.parse(ended.message)).toMatchObject({ outcome: "stopping", reason: "maxDuration" });
    expect(engine.callsOf("report")).toHaveLength(0);
  });

  it("a task that is killed while its event loop is blocked leaves no termination message: the kubelet takes its log", async () => {
    const started = image.start(engine, "blocked-loop");
    await started.printed("blocking the event loop");
    started.process.kill("SIGKILL");
    const ended = await started.ended;
    expect(ended.signal).toBe("SIGKILL");
    expect(ended.message).toBe("");
  });

  it("a task that exits on SIGTERM counts as stopped, not as failed", async () => {
    const source = `
      const catalog = globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"];
      const tasks = { set: (id, { run }) => catalog.registerTaskMetadata({ id, fns: { run } }) };
      tasks.set("own-handler", { id: "own-handler", run: () => {
        process.on("SIGTERM", () => process.exit(0));
        console.log("working");
        return new Promise((resolve) => setTimeout(resolve, 60_000));
      }});`;
    const started = image.start(engine, "own-handler", { env: { FAIRLEAD_ENTRY: image.module(source) } });
    await started.printed("working");
    started.process.kill("SIGTERM");
    const ended = await started.ended;
    expect(ended.exitCode).toBe(1);
    expect(JSON.parse(ended.message)).toMatchObject({ outcome: "stopping" });
  });
});
