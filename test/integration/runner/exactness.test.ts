/** What the bundled runner is given arrives at the task as it was, and what the task returns is stored so. */
import superjson from "superjson";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isHeapFull } from "../../../operator/src/jobs/heap.ts";
import { RunnerImage, reportIn } from "../../support/runnerProcess.ts";
import { type Given, ScriptedEngine } from "../../support/servers/scriptedEngine.ts";

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

const stored = (): string => engine.stored?.toString() ?? "";
const byUrl = (type: string): Given => ({ payload: { type, url: `${engine.url}/bucket/payload` } });
const inline = (text: string, type: string): Given => ({ payload: { type, text } });

describe("a payload", () => {
  it("of text arrives with every character, U+0000 and a byte order mark included", async () => {
    const text = "\ufeffa\0b\r\n\u2028ü𝄞";
    engine.payload = text;
    await image.run(engine, "echo", { given: byUrl("text/plain") });
    expect(JSON.parse(stored())).toBe(text);
  });

  it("that is null is null, and an empty text is empty", async () => {
    await image.run(engine, "echo", { given: inline("null", "application/json") });
    expect(stored()).toBe("null");
    await image.run(engine, "echo", { given: inline("", "text/plain") });
    expect(stored()).toBe('""');
  });

  it("with numbers that JavaScript rounds says so in the log, with their path", async () => {
    const text = '{"order":{"id":3544790567247868102},"n":1}';
    const ended = await image.run(engine, "echo", { given: inline(text, "application/json") });
    expect(ended.stderr).toMatch(/payload\.order\.id: 3544790567247868102 is read as 3544790567247868000/);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
  });

  it("with a Buffer beside a Date keeps both, and so does the output", async () => {
    const text = JSON.stringify({
      json: { b: [104, 105], at: "1970-01-01T00:00:00.000Z", constructor: "x" },
      meta: { values: { b: [["typed-array", "Buffer"]], at: ["Date"] }, v: 1 },
    });
    await image.run(engine, "echo", { given: inline(text, "application/super+json") });
    const { json, meta } = JSON.parse(stored());
    expect(json).toEqual({ b: [104, 105], at: "1970-01-01T00:00:00.000Z", constructor: "x" });
    expect(meta.values).toEqual({ b: [["custom", "buffer"]], at: ["Date"] });
  });

  it.each<[string, Buffer, string, RegExp]>([
    ["is not UTF-8", Buffer.from([0x61, 0xff]), "text/plain", /is not UTF-8/],
    ["has a byte order mark before JSON", Buffer.from("\ufeff{}"), "application/json", /byte order mark/],
    [
      "has an unknown type",
      Buffer.from('{"json":1,"meta":{"values":[["class","A"]]}}'),
      "application/super+json",
      /unknown/,
    ],
  ])("that %s fails the run for good, and says so", async (_what, body, type, message) => {
    engine.payload = body;
    const ended = await image.run(engine, "echo", { given: byUrl(type) });
    expect(reportIn(ended).error).toMatchObject({ code: "PAYLOAD_ERROR", retryable: false });
    expect(reportIn(ended).error?.message).toMatch(message);
  });
});

it("the context has the metadata, the tags and the key that the API hands over", async () => {
  const run = { tags: ["x"], metadata: { report: "x".repeat(250_000), "a.b": [null] }, idempotencyKey: "k" };
  await image.run(engine, "context", { given: { run } });
  const output = superjson.parse<{ ctx: { run: object } }>(stored());
  expect(output.ctx.run).toMatchObject({ id: "run_test", ...run });
});

it("a heap that is full leaves no termination message, and the end of the log says what it was", async () => {
  const source = `
    const catalog = globalThis[Symbol.for("dev.trigger.ts.api")]["resource-catalog"];
      const tasks = { set: (id, { run }) => catalog.registerTaskMetadata({ id, fns: { run } }) };
    tasks.set("fills", { id: "fills", run: () => {
      const kept = [];
      for (;;) kept.push({ a: new Array(1000).fill(kept.length) });
    }});`;
  const env = { FAIRLEAD_ENTRY: image.module(source), NODE_OPTIONS: "--max-old-space-size=40" };
  const ended = await image.run(engine, "fills", { env });
  expect(ended.message).toBe("");
  // What the kubelet takes of the log: 2,048 bytes. Not the first process of its container, Node ends by
  // SIGABRT.
  expect(isHeapFull(134, ended.stderr.slice(-2048))).toBe(true);
  expect(ended.signal).toBe("SIGABRT");
});
