/** The client against a server that answers as it is told: triggers, what is tried again, what is refused. */
import { createHash } from "node:crypto";
import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import {
  ApiConnectionError,
  AuthenticationError,
  auth,
  idempotencyKeys,
  NotFoundError,
  runs,
  tasks,
  UnprocessableEntityError,
} from "../index.ts";
import { type Told, type ToldServer, useToldServer } from "./toldServer.ts";

let api: ToldServer;
useToldServer((fresh) => {
  api = fresh;
});
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("a trigger", () => {
  it("says who asks, what for, and what it is", async () => {
    api.told = [{ body: { id: "run_a", isCached: false }, headers: { "x-trigger-jwt": "token" } }];
    const handle = await tasks.trigger("emails/eu", { to: "ada" });
    expect(handle).toEqual({ id: "run_a", isCached: false, publicAccessToken: "token" });
    expect(api.seen[0]).toMatchObject({ method: "POST", url: "/api/v1/tasks/emails%2Feu/trigger" });
    expect(api.seen[0]?.headers).toMatchObject({
      authorization: "Bearer tr_dev_x",
      "x-trigger-api-version": "2025-07-16",
    });
    expect(api.json()).toEqual({ payload: { to: "ada" }, options: { payloadType: "application/json" } });
  });

  it("sends every option", async () => {
    const delay = new Date("2030-01-01T00:00:00Z");
    await tasks.trigger("t", undefined, {
      ...{
        delay,
        ttl: "10m",
        queue: "mail",
        concurrencyKey: "k",
        maxAttempts: 2,
        tags: ["a"],
        metadata: { x: 1 },
      },
      ...{ maxDuration: 60, priority: 5, machine: "micro", version: "v", idempotencyKeyTTL: "1h" },
      idempotencyKey: await idempotencyKeys.create("order-1"),
    });
    expect(api.json().options).toEqual({
      ...{
        delay: delay.toISOString(),
        ttl: "10m",
        queue: { name: "mail" },
        concurrencyKey: "k",
        maxAttempts: 2,
      },
      ...{
        tags: ["a"],
        metadata: { x: 1 },
        maxDuration: 60,
        priority: 5,
        machine: "micro",
        lockToVersion: "v",
      },
      idempotencyKey: expect.stringMatching(/^[0-9a-f]{64}$/),
      idempotencyKeyTTL: "1h",
      idempotencyKeyOptions: { key: "order-1", scope: "global" },
    });
  });

  it("sends a key's hash, which is what a reset sends, and the key for people", async () => {
    await tasks.trigger("t", {}, { idempotencyKey: "order-1" });
    await tasks.trigger("t", {}, { idempotencyKey: ["order", "1"] });
    await idempotencyKeys.reset("t", "order-1");
    const sent = {
      idempotencyKey: sha256("order-1"),
      idempotencyKeyOptions: { key: "order-1", scope: "global" },
    };
    expect(api.json(0).options).toMatchObject(sent);
    expect(api.json(1).options).toMatchObject(sent);
    expect(api.seen[2]?.url).toBe(`/api/v1/idempotencyKeys/${sha256("order-1")}/reset`);
  });

  it("sends a hash of a key that is not known as it is", async () => {
    const idempotencyKey = sha256("made elsewhere");
    await tasks.trigger("t", {}, { idempotencyKey });
    expect(api.json().options).toEqual({ idempotencyKey, payloadType: "application/json" });
  });

  it("with an empty key is refused", async () => {
    await expect(tasks.trigger("t", {}, { idempotencyKey: "" })).rejects.toThrow(/idempotencyKey: .*empty/);
    await expect(tasks.trigger("t", {}, { idempotencyKey: [] })).rejects.toThrow(/idempotencyKey: .*empty/);
    expect(api.seen).toEqual([]);
  });

  it("takes durations only as ttl", async () => {
    await expect(tasks.trigger("t", {}, { ttl: "2030-01-01" })).rejects.toThrow(
      /ttl: "2030-01-01".*a date is not allowed/,
    );
    expect(api.seen).toEqual([]);
  });

  it("sends what JSON does not have as superjson, and strings as text", async () => {
    await tasks.trigger("t", { at: new Date(0), big: 1n });
    await tasks.trigger("t", "hello");
    expect(api.json(0).options.payloadType).toBe("application/super+json");
    expect(JSON.parse(String(api.json(0).payload))).toMatchObject({
      json: { at: "1970-01-01T00:00:00.000Z", big: "1" },
    });
    expect(api.json(1)).toMatchObject({ payload: "hello", options: { payloadType: "text/plain" } });
  });

  it("uploads a payload of 128 KiB and more first", async () => {
    api.told = [
      { body: { presignedUrl: `${api.origin()}/put`, storagePath: "p/1" } },
      {},
      { body: { id: "run_a" } },
    ];
    await tasks.trigger("t", { text: "x".repeat(131_072) });
    expect(api.seen.map(({ method, url }) => `${method} ${url.replace(/packet_[^/]+/, "packet_X")}`)).toEqual(
      ["PUT /api/v2/packets/trigger/packet_X/payload.json", "PUT /put", "POST /api/v1/tasks/t/trigger"],
    );
    expect(api.json(2)).toEqual({ payload: "p/1", options: { payloadType: "application/store" } });
  });

  it("of more than 10 MB is refused before anything is sent", async () => {
    await expect(tasks.trigger("t", "x".repeat(10 * 1024 * 1024 + 1))).rejects.toThrow(
      /10485761 bytes, at most 10485760/,
    );
    expect(api.seen).toEqual([]);
  });
});

describe("the object store", () => {
  const text = "x".repeat(131_072);
  const upload = (): Told => ({ body: { presignedUrl: `${api.origin()}/put`, storagePath: "p/1" } });
  const output = (): Told => ({ body: { id: "run_a", outputPresignedUrl: `${api.origin()}/output` } });
  const urls = () => api.seen.map(({ url }) => url).slice(1);

  it("is asked again when an upload fails", async () => {
    api.told = [upload(), { status: 503 }, { breaksOff: true }, {}, { body: { id: "run_a" } }];
    await tasks.trigger("t", text);
    expect(urls()).toEqual(["/put", "/put", "/put", "/api/v1/tasks/t/trigger"]);
    expect(api.seen.slice(1, 4).map(({ body }) => body === text)).toEqual([true, true, true]);
  });

  it("is asked again for an output, also when it breaks off", async () => {
    api.told = [output(), { status: 500 }, { breaksOff: true }, { body: { n: 1 } }];
    expect((await runs.retrieve("run_a")).output).toEqual({ n: 1 });
    expect(urls()).toEqual(["/output", "/output", "/output"]);
  });

  it.each([403, 404])("is not asked again when it says %i", async (status) => {
    api.told = [upload(), { status }];
    await expect(tasks.trigger("t", text)).rejects.toMatchObject({ status });
    expect(urls()).toEqual(["/put"]);
    api.told = [output(), { status }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({ status });
    expect(urls()).toHaveLength(3);
  });

  it("is asked as often as is said, until the signal", async () => {
    api.told = [upload(), { status: 503 }];
    await expect(tasks.trigger("t", text, {}, { maxAttempts: 1 })).rejects.toMatchObject({ status: 503 });
    expect(urls()).toEqual(["/put"]);
    api.seen.length = 0;
    api.told = [output(), { status: 503 }];
    await expect(runs.retrieve("run_a", { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(urls()).toEqual(["/output"]);
  });
});

describe("a subscription", () => {
  it("that is left closes its stream and forgets the signal", async () => {
    api.told = [{ streams: { id: "run_a", isCompleted: false } }];
    const { signal } = new AbortController();
    for await (const run of runs.subscribe("run_a", { signal })) {
      expect(run.id).toBe("run_a");
      expect(api.streams).toBe(1);
      break;
    }
    await vi.waitFor(() => expect(api.streams).toBe(0));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    expect(api.seen).toHaveLength(1);
  });
});

describe("an answer that is none", () => {
  it("is asked for again under the same id", async () => {
    api.told = [{ status: 503 }, { body: { id: "run_a" } }];
    await tasks.trigger("t", {});
    const ids = api.seen.map(({ headers }) => headers["x-trigger-request-idempotency-key"]);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it("is an error by its status, with what the API said", async () => {
    api.told = [{ status: 422, body: { error: "options.ttl: no" } }];
    await expect(tasks.trigger("t", {})).rejects.toThrow(UnprocessableEntityError);
    api.told = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(AuthenticationError);
    api.told = [{ status: 404, body: { error: "There is no run run_a." } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({
      status: 404,
      message: "There is no run run_a.",
    });
    await expect(runs.cancel("run_a")).rejects.toThrow(NotFoundError);
    expect(api.seen).toHaveLength(4);
  });

  it("that breaks off is asked for again, too", async () => {
    api.told = [{ breaksOff: true }, { body: { id: "run_a" } }];
    expect(await runs.cancel("run_a")).toEqual({ id: "run_a" });
    expect(api.seen).toHaveLength(2);
    api.told = [{ breaksOff: true }];
    await expect(runs.cancel("run_a", { maxAttempts: 1 })).rejects.toThrow(ApiConnectionError);
  });

  it("to a wrong key says which key, and where", async () => {
    api.told = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(
      /^Invalid or Missing API key: http:.* does not know this TRIGGER_SECRET_KEY$/,
    );
  });

  it("is not asked for again when it says so", async () => {
    api.told = [{ status: 500, headers: { "x-should-retry": "false" } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({ status: 500 });
    expect(api.seen).toHaveLength(1);
  });

  it("ends with the signal", async () => {
    api.told = [{ status: 503 }];
    const signal = AbortSignal.timeout(100);
    await expect(runs.retrieve("run_a", { signal })).rejects.toThrow();
    expect(api.seen).toHaveLength(1);
  });

  it("names the address that does not answer", async () => {
    const work = () => runs.retrieve("run_a", { maxAttempts: 1 });
    // Port 1 would be refused by fetch itself.
    const other = auth.withAuth({ baseURL: "http://127.0.0.1:2", secretKey: "k" }, work);
    await expect(other).rejects.toThrow(ApiConnectionError);
    await expect(other).rejects.toThrow(/http:\/\/127\.0\.0\.1:2 does not answer: .*ECONNREFUSED/);
    await expect(work()).resolves.toBeDefined();
  });
});
