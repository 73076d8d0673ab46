/** The client against a server with scripted answers: triggers, what is tried again, what is refused. */
import { createHash } from "node:crypto";
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ScriptedAnswer, ScriptedServer } from "../../../test/support/servers/scriptedServer.ts";
import {
  ApiConnectionError,
  AuthenticationError,
  auth,
  configure,
  idempotencyKeys,
  NotFoundError,
  runs,
  tasks,
  UnprocessableEntityError,
} from "../index.ts";

let api: ScriptedServer;
beforeEach(async () => {
  api = await ScriptedServer.start();
  api.answers = [{ body: { id: "run_a", isCached: false } }];
  configure({ baseURL: `${api.origin}/`, secretKey: "tr_dev_x" });
});
afterEach(() => {
  vi.unstubAllEnvs();
  api.stop();
});
/** The body of a request. */
const bodyOf = (index = 0): { payload?: unknown; options: Record<string, unknown> } =>
  JSON.parse(api.requests[index]?.body ?? "{}");
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("a trigger", () => {
  it("a trigger sends its key, task and payload, and returns the run", async () => {
    api.answers = [{ body: { id: "run_a", isCached: false }, headers: { "x-trigger-jwt": "token" } }];
    const handle = await tasks.trigger("emails/eu", { to: "ada" });
    expect(handle).toEqual({ id: "run_a", isCached: false, publicAccessToken: "token" });
    expect(api.requests[0]).toMatchObject({ method: "POST", url: "/api/v1/tasks/emails%2Feu/trigger" });
    expect(api.requests[0]?.headers).toMatchObject({
      authorization: "Bearer tr_dev_x",
      "x-trigger-api-version": "2025-07-16",
    });
    expect(bodyOf()).toEqual({ payload: { to: "ada" }, options: { payloadType: "application/json" } });
  });

  it("a trigger sends every option", async () => {
    const delay = new Date("2030-01-01T00:00:00Z");
    await tasks.trigger("t", undefined, {
      delay,
      ttl: "10m",
      queue: "mail",
      concurrencyKey: "k",
      maxAttempts: 2,
      tags: ["a"],
      metadata: { x: 1 },
      maxDuration: 60,
      priority: 5,
      machine: "micro",
      version: "v",
      idempotencyKeyTTL: "1h",
      idempotencyKey: await idempotencyKeys.create("order-1"),
    });
    expect(bodyOf().options).toEqual({
      delay: delay.toISOString(),
      ttl: "10m",
      queue: { name: "mail" },
      concurrencyKey: "k",
      maxAttempts: 2,
      tags: ["a"],
      metadata: { x: 1 },
      maxDuration: 60,
      priority: 5,
      machine: "micro",
      lockToVersion: "v",
      idempotencyKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      idempotencyKeyTTL: "1h",
      idempotencyKeyOptions: { key: "order-1", scope: "global" },
    });
  });

  it("a trigger sends a key's hash, which is what a reset sends, and the key for people", async () => {
    await tasks.trigger("t", {}, { idempotencyKey: "order-1" });
    await tasks.trigger("t", {}, { idempotencyKey: ["order", "1"] });
    await idempotencyKeys.reset("t", "order-1");
    const sent = {
      idempotencyKey: sha256("order-1"),
      idempotencyKeyOptions: { key: "order-1", scope: "global" },
    };
    expect(bodyOf(0).options).toMatchObject(sent);
    expect(bodyOf(1).options).toMatchObject(sent);
    expect(api.requests[2]?.url).toBe(`/api/v1/idempotencyKeys/${sha256("order-1")}/reset`);
  });

  it("a trigger sends the hash of an unknown key as it is", async () => {
    const idempotencyKey = sha256("made elsewhere");
    await tasks.trigger("t", {}, { idempotencyKey });
    expect(bodyOf().options).toEqual({ idempotencyKey, payloadType: "application/json" });
  });

  it("a trigger is refused with an empty key", async () => {
    await expect(tasks.trigger("t", {}, { idempotencyKey: "" })).rejects.toThrow(/idempotencyKey: .*empty/);
    await expect(tasks.trigger("t", {}, { idempotencyKey: [] })).rejects.toThrow(/idempotencyKey: .*empty/);
    expect(api.requests).toEqual([]);
  });

  it.each([
    [{ delay: "60 " }, /^delay: "60 " is not a duration/],
    [{ delay: "01/12/2026" }, /^delay: "01\/12\/2026" is not a duration .*, or a date with its time zone/],
    [{ delay: "2027-02-30T00:00:00Z" }, /^delay: /],
    [{ delay: new Date("soon") }, /^delay: "Invalid Date" is not/],
    [{ delay: 5000 as unknown as string }, /^delay: 5000 is not/],
    [{ ttl: "60" }, /^ttl: "60" is not a duration/],
    [{ ttl: -1 }, /^ttl: -1 is not a duration/],
    [{ idempotencyKey: "k", idempotencyKeyTTL: "24" }, /^idempotencyKeyTTL: "24" is not a duration/],
    [{ debounce: { key: "k", delay: "1 h" } }, /^debounce\.delay: "1 h" is not/],
    [{ debounce: { key: "k", delay: "1s", maxDelay: "1m " } }, /^debounce\.maxDelay: "1m " is not/],
  ])("a trigger with %j is refused before anything is sent", async (options, message) => {
    await expect(tasks.trigger("t", {}, options)).rejects.toThrow(message);
    expect(api.requests).toEqual([]);
  });

  it("a trigger takes durations only as ttl", async () => {
    await expect(tasks.trigger("t", {}, { ttl: "2030-01-01" })).rejects.toThrow(
      /ttl: "2030-01-01".*a date is not allowed/,
    );
    expect(api.requests).toEqual([]);
  });

  it("a trigger sends values that JSON does not have as superjson, and strings as text", async () => {
    await tasks.trigger("t", { at: new Date(0), big: 1n });
    await tasks.trigger("t", "hello");
    expect(bodyOf(0).options.payloadType).toBe("application/super+json");
    expect(JSON.parse(String(bodyOf(0).payload))).toMatchObject({
      json: { at: "1970-01-01T00:00:00.000Z", big: "1" },
    });
    expect(bodyOf(1)).toMatchObject({ payload: "hello", options: { payloadType: "text/plain" } });
  });

  it("a trigger uploads a payload of 128 KiB and more first", async () => {
    api.answers = [
      { body: { presignedUrl: `${api.origin}/put`, storagePath: "p/1" } },
      {},
      { body: { id: "run_a" } },
    ];
    await tasks.trigger("t", { text: "x".repeat(131_072) });
    expect(
      api.requests.map(({ method, url }) => `${method} ${url.replace(/packet_[^/]+/, "packet_X")}`),
    ).toEqual([
      "PUT /api/v2/packets/trigger/packet_X/payload.json",
      "PUT /put",
      "POST /api/v1/tasks/t/trigger",
    ]);
    expect(bodyOf(2)).toEqual({ payload: "p/1", options: { payloadType: "application/store" } });
  });

  it("a trigger is refused with a payload of more than 10 MB, before anything is sent", async () => {
    await expect(tasks.trigger("t", "x".repeat(10 * 1024 * 1024 + 1))).rejects.toThrow(
      /10485761 bytes, at most 10485760/,
    );
    expect(api.requests).toEqual([]);
  });
});

describe("the object store", () => {
  const text = "x".repeat(131_072);
  const upload = (): ScriptedAnswer => ({ body: { presignedUrl: `${api.origin}/put`, storagePath: "p/1" } });
  const output = (): ScriptedAnswer => ({
    body: { id: "run_a", outputPresignedUrl: `${api.origin}/output` },
  });
  const urls = () => api.requests.map(({ url }) => url).slice(1);

  it("the object store is asked again when an upload fails", async () => {
    api.answers = [upload(), { status: 503 }, { breaksOff: true }, {}, { body: { id: "run_a" } }];
    await tasks.trigger("t", text);
    expect(urls()).toEqual(["/put", "/put", "/put", "/api/v1/tasks/t/trigger"]);
    expect(api.requests.slice(1, 4).map(({ body }) => body === text)).toEqual([true, true, true]);
  });

  it("the object store is asked again for an output, also when it breaks off", async () => {
    api.answers = [output(), { status: 500 }, { breaksOff: true }, { body: { n: 1 } }];
    expect((await runs.retrieve("run_a")).output).toEqual({ n: 1 });
    expect(urls()).toEqual(["/output", "/output", "/output"]);
  });

  it.each([403, 404])("the object store is not asked again when it says %i", async (status) => {
    api.answers = [upload(), { status }];
    await expect(tasks.trigger("t", text)).rejects.toMatchObject({ status });
    expect(urls()).toEqual(["/put"]);
    api.answers = [output(), { status }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({ status });
    expect(urls()).toHaveLength(3);
  });

  it("the object store is asked as often as maxAttempts allows, until the signal", async () => {
    api.answers = [upload(), { status: 503 }];
    await expect(tasks.trigger("t", text, {}, { maxAttempts: 1 })).rejects.toMatchObject({ status: 503 });
    expect(urls()).toEqual(["/put"]);
    api.requests.length = 0;
    api.answers = [output(), { status: 503 }];
    await expect(runs.retrieve("run_a", { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(urls()).toEqual(["/output"]);
  });
});

describe("a subscription", () => {
  it("a subscription closes its stream and forgets the signal when its loop is left", async () => {
    api.answers = [{ event: { id: "run_a", isCompleted: false } }];
    const { signal } = new AbortController();
    for await (const run of runs.subscribe("run_a", { signal })) {
      expect(run.id).toBe("run_a");
      expect(api.openStreams).toBe(1);
      break;
    }
    await vi.waitFor(() => expect(api.openStreams).toBe(0));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(api.requests).toHaveLength(1);
  });
});

describe("a call", () => {
  it("a call is tried again under the same id when the API fails", async () => {
    api.answers = [{ status: 503 }, { body: { id: "run_a" } }];
    await tasks.trigger("t", {});
    const ids = api.requests.map(({ headers }) => headers["x-trigger-request-idempotency-key"]);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it("a call fails with the error of its status, with the API's message", async () => {
    api.answers = [{ status: 422, body: { error: "options.ttl: no" } }];
    await expect(tasks.trigger("t", {})).rejects.toThrow(UnprocessableEntityError);
    api.answers = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(AuthenticationError);
    api.answers = [{ status: 404, body: { error: "There is no run run_a." } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({
      status: 404,
      message: "There is no run run_a.",
    });
    await expect(runs.cancel("run_a")).rejects.toThrow(NotFoundError);
    expect(api.requests).toHaveLength(4);
  });

  it("a call is tried again when its answer breaks off", async () => {
    api.answers = [{ breaksOff: true }, { body: { id: "run_a" } }];
    expect(await runs.cancel("run_a")).toEqual({ id: "run_a" });
    expect(api.requests).toHaveLength(2);
    api.answers = [{ breaksOff: true }];
    await expect(runs.cancel("run_a", { maxAttempts: 1 })).rejects.toThrow(ApiConnectionError);
  });

  it("a call with a wrong key fails with the key's name and the API's address", async () => {
    api.answers = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(
      /^Invalid or Missing API key: http:.* does not know this TRIGGER_SECRET_KEY$/,
    );
  });

  it("a call is not tried again when the answer forbids it", async () => {
    api.answers = [{ status: 500, headers: { "x-should-retry": "false" } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({ status: 500 });
    expect(api.requests).toHaveLength(1);
  });

  it("a call ends with its signal", async () => {
    api.answers = [{ status: 503 }];
    const signal = AbortSignal.timeout(100);
    await expect(runs.retrieve("run_a", { signal })).rejects.toThrow();
    expect(api.requests).toHaveLength(1);
  });

  it("a call fails with the address that does not answer", async () => {
    const work = () => runs.retrieve("run_a", { maxAttempts: 1 });
    // Port 1 would be refused by fetch itself.
    const other = auth.withAuth({ baseURL: "http://127.0.0.1:2", secretKey: "k" }, work);
    await expect(other).rejects.toThrow(ApiConnectionError);
    await expect(other).rejects.toThrow(/http:\/\/127\.0\.0\.1:2 does not answer: .*ECONNREFUSED/);
    await expect(work()).resolves.toBeDefined();
  });
});
