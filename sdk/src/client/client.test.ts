/** The client against an HTTP server that answers as it is told: what is sent, what is tried again, what is refused. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import {
  ApiConnectionError,
  AuthenticationError,
  auth,
  batch,
  configure,
  envvars,
  idempotencyKeys,
  MissingSettingError,
  NotFoundError,
  type OutputOf,
  type PayloadOf,
  queues,
  runs,
  schedules,
  type Task,
  tasks,
  UnprocessableEntityError,
} from "../index.ts";

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}
interface Told {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** The connection is lost in the middle of it. */
  breaksOff?: boolean;
}

let server: Server;
let seen: Seen[];
/** Answers in their order; the last one again and again. */
let told: Told[];

beforeEach(async () => {
  [seen, told] = [[], [{ body: { id: "run_a", isCached: false } }]];
  server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "", headers } = request;
    seen.push({ method, url, headers, body: Buffer.concat(parts).toString() });
    const answer = (told.length > 1 ? told.shift() : told[0]) ?? {};
    const { status = 200, headers: more = {}, body } = answer;
    if (answer.breaksOff) {
      response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy());
      return;
    }
    response
      .writeHead(status, { "content-type": "application/json", ...more })
      .end(JSON.stringify(body ?? {}));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  configure({
    baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    secretKey: "tr_dev_x",
  });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const json = (index = 0): { payload?: unknown; options: Record<string, unknown> } =>
  JSON.parse(seen[index]?.body ?? "{}");

describe("a trigger", () => {
  it("says who asks, what for, and what it is", async () => {
    told = [{ body: { id: "run_a", isCached: false }, headers: { "x-trigger-jwt": "token" } }];
    const handle = await tasks.trigger("emails/eu", { to: "ada" });
    expect(handle).toEqual({ id: "run_a", isCached: false, publicAccessToken: "token" });
    expect(seen[0]).toMatchObject({ method: "POST", url: "/api/v1/tasks/emails%2Feu/trigger" });
    expect(seen[0]?.headers).toMatchObject({
      authorization: "Bearer tr_dev_x",
      "x-trigger-api-version": "2025-07-16",
    });
    expect(json()).toEqual({ payload: { to: "ada" }, options: { payloadType: "application/json" } });
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
    expect(json().options).toEqual({
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

  it("takes durations only as ttl", async () => {
    await expect(tasks.trigger("t", {}, { ttl: "2030-01-01" })).rejects.toThrow(
      /ttl: "2030-01-01".*a date is not allowed/,
    );
    expect(seen).toEqual([]);
  });

  it("sends what JSON does not have as superjson, and strings as text", async () => {
    await tasks.trigger("t", { at: new Date(0), big: 1n });
    await tasks.trigger("t", "hello");
    expect(json(0).options.payloadType).toBe("application/super+json");
    expect(JSON.parse(String(json(0).payload))).toMatchObject({
      json: { at: "1970-01-01T00:00:00.000Z", big: "1" },
    });
    expect(json(1)).toMatchObject({ payload: "hello", options: { payloadType: "text/plain" } });
  });

  it("uploads a payload of 128 KiB and more first", async () => {
    const { port } = server.address() as AddressInfo;
    told = [
      { body: { presignedUrl: `http://127.0.0.1:${port}/put`, storagePath: "p/1" } },
      {},
      { body: { id: "run_a" } },
    ];
    await tasks.trigger("t", { text: "x".repeat(131_072) });
    expect(seen.map(({ method, url }) => `${method} ${url.replace(/packet_[^/]+/, "packet_X")}`)).toEqual([
      "PUT /api/v2/packets/trigger/packet_X/payload.json",
      "PUT /put",
      "POST /api/v1/tasks/t/trigger",
    ]);
    expect(json(2)).toEqual({ payload: "p/1", options: { payloadType: "application/store" } });
  });

  it("of more than 10 MB is refused before anything is sent", async () => {
    await expect(tasks.trigger("t", "x".repeat(10 * 1024 * 1024 + 1))).rejects.toThrow(
      /10485761 bytes, at most 10485760/,
    );
    expect(seen).toEqual([]);
  });
});

describe("an answer that is none", () => {
  it("is asked for again under the same id", async () => {
    told = [{ status: 503 }, { body: { id: "run_a" } }];
    await tasks.trigger("t", {});
    const ids = seen.map(({ headers }) => headers["x-trigger-request-idempotency-key"]);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  it("is an error by its status, with what the API said", async () => {
    told = [{ status: 422, body: { error: "options.ttl: no" } }];
    await expect(tasks.trigger("t", {})).rejects.toThrow(UnprocessableEntityError);
    told = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(AuthenticationError);
    told = [{ status: 404, body: { error: "There is no run run_a." } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({
      status: 404,
      message: "There is no run run_a.",
    });
    await expect(runs.cancel("run_a")).rejects.toThrow(NotFoundError);
    expect(seen).toHaveLength(4);
  });

  it("that breaks off is asked for again, too", async () => {
    told = [{ breaksOff: true }, { body: { id: "run_a" } }];
    expect(await runs.cancel("run_a")).toEqual({ id: "run_a" });
    expect(seen).toHaveLength(2);
    told = [{ breaksOff: true }];
    await expect(runs.cancel("run_a", { maxAttempts: 1 })).rejects.toThrow(ApiConnectionError);
  });

  it("to a wrong key says which key, and where", async () => {
    told = [{ status: 401, body: { error: "Invalid or Missing API key" } }];
    await expect(runs.retrieve("run_a")).rejects.toThrow(
      /^Invalid or Missing API key: http:.* does not know this TRIGGER_SECRET_KEY$/,
    );
  });

  it("is not asked for again when it says so", async () => {
    told = [{ status: 500, headers: { "x-should-retry": "false" } }];
    await expect(runs.retrieve("run_a")).rejects.toMatchObject({ status: 500 });
    expect(seen).toHaveLength(1);
  });

  it("ends with the signal", async () => {
    told = [{ status: 503 }];
    const signal = AbortSignal.timeout(100);
    await expect(runs.retrieve("run_a", { signal })).rejects.toThrow();
    expect(seen).toHaveLength(1);
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

it("a missing setting is named by the call that needs it", async () => {
  configure({ baseURL: undefined, secretKey: undefined });
  await expect(tasks.trigger("t", {})).rejects.toThrow(MissingSettingError);
  await expect(tasks.trigger("t", {})).rejects.toThrow(/TRIGGER_API_URL/);
  configure({ baseURL: "http://127.0.0.1:1" });
  await expect(tasks.trigger("t", {})).rejects.toThrow(/TRIGGER_SECRET_KEY/);
});

describe("a batch", () => {
  it("is made, streamed line by line, and streamed again until it is sealed", async () => {
    told = [
      { body: { id: "batch_b", isCached: false } },
      { body: { sealed: false } },
      { body: { sealed: true } },
    ];
    const items = [{ payload: { n: 1 } }, { payload: { n: 2 }, options: { tags: "a" } }];
    const handle = await tasks.batchTrigger("t", items, { maxConcurrency: 3 });
    expect(handle).toMatchObject({ batchId: "batch_b", runCount: 2 });
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ runCount: 2, maxConcurrency: 3 });
    expect(seen[1]?.headers["content-type"]).toBe("application/x-ndjson");
    expect(seen[1]?.body).toBe(seen[2]?.body);
    const lines = (seen[1]?.body ?? "")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { index: 0, task: "t", payload: { n: 1 } },
      { index: 1, task: "t", payload: { n: 2 }, options: { tags: "a" } },
    ]);
  });

  it("with a key gives each item one, so that a later batch with the key runs nothing again", async () => {
    const lines: { options: { idempotencyKey: string } }[] = [];
    for (const key of ["k1", "k1", "k2"]) {
      seen.length = 0;
      told = [{ body: { id: "batch_b", isCached: false } }, { body: { sealed: true } }];
      await tasks.batchTrigger("t", [{ payload: 1 }, { payload: 2, options: { idempotencyKey: "own" } }], {
        idempotencyKey: key,
      });
      expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ runCount: 2, idempotencyKey: key });
      lines.push(
        ...(seen[1]?.body ?? "")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line)),
      );
    }
    const keys = lines.map(({ options }) => options.idempotencyKey);
    expect(keys).toEqual([keys[0], "own", keys[0], "own", keys[4], "own"]);
    expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(keys[4]).not.toBe(keys[0]);
  });

  it("of no item or more than 1,000 is refused", async () => {
    await expect(batch.trigger([])).rejects.toThrow(/1 to 1000 items/);
    const many = Array.from({ length: 1001 }, () => ({ id: "t", payload: {} }));
    await expect(batch.trigger(many)).rejects.toThrow(/this one 1001/);
  });
});

it("a list goes on from page to page, with its filters", async () => {
  told = [
    { body: { data: [{ id: "run_1", createdAt: "2026-01-01T00:00:00Z" }], pagination: { next: "c" } } },
    { body: { data: [{ id: "run_2", createdAt: "2026-01-01T00:00:00Z" }], pagination: {} } },
  ];
  const ids: string[] = [];
  for await (const run of await runs.list({ status: ["QUEUED", "FAILED"], limit: 1, isTest: false })) {
    ids.push(run.id);
    expect(run.createdAt).toBeInstanceOf(Date);
  }
  expect(ids).toEqual(["run_1", "run_2"]);
  const query = seen.map(({ url }) => new URL(url, "http://x").searchParams);
  expect(query[0]?.get("filter[status]")).toBe("QUEUED,FAILED");
  expect(query[0]?.get("filter[isTest]")).toBe("false");
  expect(query[1]?.get("page[after]")).toBe("c");
});

it.each(["", ".", ".."])('an id of "%s" goes nowhere', async (id) => {
  await expect(runs.cancel(id)).rejects.toThrow(/is no id/);
  await expect(schedules.del(id)).rejects.toThrow(/is no id/);
  await expect(tasks.trigger(id, {})).rejects.toThrow(/is no id/);
  expect(seen).toEqual([]);
});

it("environment variables are managed by project and environment", async () => {
  told = [{ body: { success: true } }];
  await envvars.upload("proj", "prod", { variables: { A: "1" }, override: true });
  await envvars.del("proj", "prod", "A");
  expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "POST /api/v1/projects/proj/envvars/prod/import",
    "DELETE /api/v1/projects/proj/envvars/prod/A",
  ]);
  expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ variables: { A: "1" }, override: true });
});

it("what superjson tells gets its types back", async () => {
  told = [
    {
      body: {
        id: "run_a",
        output: { at: "1970-01-01T00:00:00.000Z", n: 1 },
        outputMeta: { values: { at: ["Date"], none: ["undefined"] } },
      },
    },
  ];
  expect((await runs.retrieve("run_a")).output).toStrictEqual({ at: new Date(0), n: 1, none: undefined });
  told = [{ body: { id: "run_a", output: { a: 1 }, outputMeta: { values: { a: ["unknown type"] } } } }];
  expect((await runs.retrieve("run_a")).output).toEqual({ a: 1 });
});

it("a queue's name with a slash is encoded twice", async () => {
  await queues.pause({ type: "custom", name: "mail/eu" });
  expect(seen[0]?.url).toBe("/api/v1/queues/mail%252Feu/pause");
});

it("a task's type gives payload and output, and a wrong payload does not compile", () => {
  type Hello = Task<"hello", { name: string }, { greeting: string }>;
  expectTypeOf<PayloadOf<Hello>>().toEqualTypeOf<{ name: string }>();
  expectTypeOf<OutputOf<Hello>>().toEqualTypeOf<{ greeting: string }>();
  const poll = () => tasks.triggerAndPoll<Hello>("hello", { name: "Ada" });
  expectTypeOf<Awaited<ReturnType<typeof poll>>["output"]>().toEqualTypeOf<
    { greeting: string } | undefined
  >();
  const wrong = [
    // @ts-expect-error the payload is of another type
    () => tasks.trigger<Hello>("hello", { name: 1 }),
    // @ts-expect-error another task has that id
    () => tasks.trigger<Hello>("other", { name: "Ada" }),
    // @ts-expect-error an item's payload is of another type
    () => tasks.batchTrigger<Hello>("hello", [{ payload: {} }]),
  ];
  expect(wrong).toHaveLength(3);
});
