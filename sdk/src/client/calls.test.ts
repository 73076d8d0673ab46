/**
 * The other calls of the client against a server with scripted answers: settings, batches, lists, ids, types.
 */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from "vitest";
import { ScriptedServer } from "../../../test/support/servers/scriptedServer.ts";
import {
  auth,
  batch,
  configure,
  envvars,
  InvalidOptionError,
  MissingSettingError,
  type OutputOf,
  type PayloadOf,
  queues,
  runs,
  schedules,
  type Task,
  tasks,
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
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

it("a missing setting is named by the call that needs it", async () => {
  configure({ baseURL: undefined, secretKey: undefined });
  await expect(tasks.trigger("t", {})).rejects.toThrow(MissingSettingError);
  await expect(tasks.trigger("t", {})).rejects.toThrow(/TRIGGER_API_URL/);
  configure({ baseURL: "http://127.0.0.1:1" });
  await expect(tasks.trigger("t", {})).rejects.toThrow(/TRIGGER_SECRET_KEY/);
});

describe("the environment's key", () => {
  const retrieve = () => runs.retrieve("run_a");
  const key = () => api.requests.at(-1)?.headers.authorization;
  beforeEach(() => vi.stubEnv("TRIGGER_SECRET_KEY", "tr_env"));

  it("the environment's key does not take the place of a token that is missing", async () => {
    await expect(auth.withAuth({ accessToken: undefined }, retrieve)).rejects.toThrow(MissingSettingError);
    await expect(auth.withAuth({ accessToken: undefined }, retrieve)).rejects.toThrow(/accessToken/);
    await expect(auth.withAuth({ accessToken: "" }, retrieve)).rejects.toThrow(/accessToken/);
    await expect(auth.withAuth({ secretKey: undefined }, retrieve)).rejects.toThrow(/secretKey/);
    configure({ accessToken: undefined });
    await expect(retrieve()).rejects.toThrow(/accessToken/);
    expect(api.requests).toEqual([]);
  });

  it("the environment's key is used where no other is named, and again once the secret key is reset", async () => {
    configure({ accessToken: "user" });
    await retrieve();
    expect(key()).toBe("Bearer user");
    configure({ secretKey: undefined });
    await retrieve();
    expect(key()).toBe("Bearer tr_env");
    await auth.withAuth({ baseURL: api.origin }, retrieve);
    expect(key()).toBe("Bearer tr_env");
  });
});

describe("a batch", () => {
  it("a batch is created, streamed line by line, and streamed again until it is sealed", async () => {
    api.answers = [
      { body: { id: "batch_b", isCached: false } },
      { body: { sealed: false } },
      { body: { sealed: true } },
    ];
    const items = [{ payload: { n: 1 } }, { payload: { n: 2 }, options: { tags: "a" } }];
    const handle = await tasks.batchTrigger("t", items, { maxConcurrency: 3 });
    expect(handle).toMatchObject({ batchId: "batch_b", runCount: 2 });
    expect(JSON.parse(api.requests[0]?.body ?? "")).toEqual({ runCount: 2, maxConcurrency: 3 });
    expect(api.requests[1]?.headers["content-type"]).toBe("application/x-ndjson");
    expect(api.requests[1]?.body).toBe(api.requests[2]?.body);
    const lines = (api.requests[1]?.body ?? "")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { index: 0, task: "t", payload: { n: 1 } },
      { index: 1, task: "t", payload: { n: 2 }, options: { tags: "a" } },
    ]);
  });

  it("a batch gives each item a key made from its own, so that a later batch with the key runs nothing again", async () => {
    const lines: { options: { idempotencyKey: string } }[] = [];
    for (const key of ["k1", "k1", "k2"]) {
      api.requests.length = 0;
      api.answers = [{ body: { id: "batch_b", isCached: false } }, { body: { sealed: true } }];
      await tasks.batchTrigger("t", [{ payload: 1 }, { payload: 2, options: { idempotencyKey: "own" } }], {
        idempotencyKey: key,
      });
      expect(JSON.parse(api.requests[0]?.body ?? "")).toEqual({
        runCount: 2,
        idempotencyKey: sha256(key),
        idempotencyKeyOptions: { key, scope: "global" },
      });
      lines.push(
        ...(api.requests[1]?.body ?? "")
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line)),
      );
    }
    const keys = lines.map(({ options }) => options.idempotencyKey);
    const [one, two, own] = [sha256(`${sha256("k1")}-0`), sha256(`${sha256("k2")}-0`), sha256("own")];
    expect(keys).toEqual([one, own, one, own, two, own]);
  });

  it("a batch needs 1 to 1,000 items", async () => {
    const many = Array.from({ length: 1001 }, () => ({ id: "t", payload: {} }));
    for (const items of [[], many]) {
      const refused = batch.trigger(items);
      await expect(refused).rejects.toThrow(InvalidOptionError);
      await expect(refused).rejects.toThrow(
        `items: a batch of ${items.length} items; it must have 1 to 1000`,
      );
    }
  });

  it("a batch names the item whose option is wrong, and sends nothing", async () => {
    const items = [{ payload: 1 }, { payload: 2, options: { ttl: "2030-01-01" } }];
    await expect(tasks.batchTrigger("t", items)).rejects.toMatchObject({
      name: "InvalidOptionError",
      option: "items[1].ttl",
      message: expect.stringMatching(/^items\[1\]\.ttl: "2030-01-01" is not a duration/),
    });
    expect(api.requests).toEqual([]);
  });
});

it("a list of runs goes on from page to page, with its filters", async () => {
  api.answers = [
    { body: { data: [{ id: "run_1", createdAt: "2026-01-01T00:00:00Z" }], pagination: { next: "c" } } },
    { body: { data: [{ id: "run_2", createdAt: "2026-01-01T00:00:00Z" }], pagination: {} } },
  ];
  const ids: string[] = [];
  for await (const run of await runs.list({ status: ["QUEUED", "FAILED"], limit: 1, isTest: false })) {
    ids.push(run.id);
    expect(run.createdAt).toBeInstanceOf(Date);
  }
  expect(ids).toEqual(["run_1", "run_2"]);
  const query = api.requests.map(({ url }) => new URL(url, "http://x").searchParams);
  expect(query[0]?.get("filter[status]")).toBe("QUEUED,FAILED");
  expect(query[0]?.get("filter[isTest]")).toBe("false");
  expect(query[1]?.get("page[after]")).toBe("c");
});

it.each([
  ["queues", () => queues.list({ perPage: 2 })],
  ["schedules", () => schedules.list({ perPage: 2 })],
])("the list of %s goes on from page to page", async (name, list) => {
  const pages = [["a", "b"], ["c"]].map((ids, n) => ({
    body: {
      data: ids.map((id) => ({ id })),
      pagination: { currentPage: n + 1, totalPages: 2, count: 3 },
    },
  }));
  api.answers = [...pages];
  const ids: string[] = [];
  for await (const { id } of await list()) ids.push(id);
  expect(ids).toEqual(["a", "b", "c"]);
  expect(api.requests.map(({ url }) => url)).toEqual([
    `/api/v1/${name}?perPage=2`,
    `/api/v1/${name}?page=2&perPage=2`,
  ]);
  await expect((await list()).getNextPage()).rejects.toThrow(RangeError);
});

it.each(["", ".", ".."])('the id "%s" is refused before anything is sent', async (id) => {
  for (const call of [() => runs.cancel(id), () => schedules.del(id), () => tasks.trigger(id, {})]) {
    await expect(call).rejects.toThrow(InvalidOptionError);
    await expect(call).rejects.toThrow(`id: "${id}" is not an id`);
  }
  expect(api.requests).toEqual([]);
});

it("environment variables are managed by project and environment", async () => {
  api.answers = [{ body: { success: true } }];
  await envvars.upload("proj", "prod", { variables: { A: "1" }, override: true });
  await envvars.del("proj", "prod", "A");
  expect(api.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    "POST /api/v1/projects/proj/envvars/prod/import",
    "DELETE /api/v1/projects/proj/envvars/prod/A",
  ]);
  expect(JSON.parse(api.requests[0]?.body ?? "")).toEqual({ variables: { A: "1" }, override: true });
});

it("an output with superjson's metadata gets its types back", async () => {
  api.answers = [
    {
      body: {
        id: "run_a",
        output: { at: "1970-01-01T00:00:00.000Z", n: 1 },
        outputMeta: { values: { at: ["Date"], none: ["undefined"] } },
      },
    },
  ];
  expect((await runs.retrieve("run_a")).output).toStrictEqual({ at: new Date(0), n: 1, none: undefined });
  api.answers = [
    { body: { id: "run_a", output: { a: 1 }, outputMeta: { values: { a: ["unknown type"] } } } },
  ];
  expect((await runs.retrieve("run_a")).output).toEqual({ a: 1 });
});

it("a queue's name with a slash is encoded twice", async () => {
  await queues.pause({ type: "custom", name: "mail/eu" });
  expect(api.requests[0]?.url).toBe("/api/v1/queues/mail%252Feu/pause");
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
