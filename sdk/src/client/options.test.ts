/** What a caller in plain JavaScript may get wrong: each is refused with its name before anything is sent. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ScriptedServer } from "../../../test/support/servers/scriptedServer.ts";
import {
  auth,
  batch,
  configure,
  InvalidOptionError,
  idempotencyKeys,
  queues,
  runs,
  schedules,
  tasks,
} from "../index.ts";

let api: ScriptedServer;
beforeEach(async () => {
  api = await ScriptedServer.start();
  api.answers = [{ body: { id: "run_a", data: [], pagination: {} } }];
  configure({ baseURL: api.origin, secretKey: "tr_dev_x" });
});
afterEach(() => {
  vi.unstubAllEnvs();
  api.stop();
});

// biome-ignore lint/suspicious/noExplicitAny: what the compiler would refuse is what is tested
type Any = any;
const circle: Record<string, unknown> = {};
circle.self = circle;

describe("an option of a trigger", () => {
  it.each<[Any, string]>([
    [{ delya: "1m" }, "delya: is not an option; did you mean delay?"],
    [{ concurencyKey: "a" }, "concurencyKey: is not an option; did you mean concurrencyKey?"],
    [{ Tags: ["a"] }, "Tags: is not an option; did you mean tags?"],
    [{ region: "eu" }, "region: is not an option; there are delay, ttl,"],
    [{ constructor: 1 }, "constructor: is not an option"],
    [{ delay: 5000 }, "delay: 5000 is not a duration (for example 1h30m)"],
    [{ delay: new Date("soon") }, 'delay: "Invalid Date" is not a duration'],
    [{ ttl: Number.NaN }, "ttl: NaN is not a duration"],
    [{ ttl: -1 }, "ttl: -1 is not a duration"],
    [{ ttl: "2030-01-01" }, "ttl: "],
    [{ maxAttempts: 0 }, "maxAttempts: 0 is given; it must be a whole number from 1"],
    [{ maxAttempts: "3" }, 'maxAttempts: "3" is given'],
    [{ priority: "5" }, 'priority: "5" is given; it must be a number'],
    [{ maxDuration: null }, "maxDuration: null is given"],
    [{ machine: "small" }, 'machine: "small" is given; it must be one of micro, small-1x'],
    [{ machine: "medium1x" }, 'machine: "medium1x" is given; it must be one of micro'],
    [{ tags: [1] }, "tags: a list is given; it must be text or a list of texts"],
    [{ concurrencyKey: null }, "concurrencyKey: null is given; it must be text"],
    [{ concurrencyKey: { tenant: 1 } }, "concurrencyKey: an object is given"],
    [{ queue: { name: "a", limit: 3 } }, "queue.limit: is not an option"],
    [{ queue: { name: "a", concurrencyLimit: "3" } }, 'queue.concurrencyLimit: "3" is given'],
    [{ queue: "no name" }, 'queue: "no name" is given; it must have 1 to 128 letters'],
    [{ queue: 1 }, "queue: 1 is given; it must be an object"],
    [{ debounce: { key: "a", dealy: "1s" } }, "debounce.dealy: is not an option; did you mean delay?"],
    [{ debounce: { key: "a", delay: "1s", mode: "last" } }, 'debounce.mode: "last" is given'],
    [{ idempotencyKey: ["a", undefined] }, "idempotencyKey: undefined is given"],
    [{ idempotencyKey: 5 }, "idempotencyKey: 5 is given; it must be text or a list of texts"],
    [{ metadata: [1] }, "metadata: a list is given; it must be an object"],
    [{ metadata: { a: { f: () => 1 } } }, "metadata.a.f: is a function; leave it out"],
    [
      { metadata: { at: new Date(0) } },
      "metadata.at: is of type Date; metadata are plain JSON, give it as text",
    ],
    [{ metadata: { n: 1n } }, "metadata.n: is of type bigint"],
    [{ metadata: circle }, "metadata: refers to an object around it"],
  ])("%o is refused", async (options, message) => {
    await expect(tasks.trigger("t", {}, options)).rejects.toThrow(InvalidOptionError);
    await expect(tasks.trigger("t", {}, options)).rejects.toThrow(message);
    await expect(batch.trigger([{ id: "t", payload: {}, options }])).rejects.toThrow(
      `items[0].${message.split(":", 1)}`,
    );
    expect(api.requests).toEqual([]);
  });

  it("that is undefined is not given, and undefined in metadata is left out", async () => {
    const options = { delay: undefined, delya: undefined, metadata: { a: undefined, b: 1 } } as Any;
    await tasks.trigger("t", {}, options);
    expect(JSON.parse(api.requests[0]?.body ?? "").options).toEqual({
      metadata: { b: 1 },
      payloadType: "application/json",
    });
  });

  it("machine is checked by the compiler, too", () => {
    // @ts-expect-error there is no such preset
    const wrong = () => tasks.trigger("t", {}, { machine: "small" });
    const right = () => tasks.trigger("t", {}, { machine: "small-1x" });
    expect([typeof wrong, typeof right]).toEqual(["function", "function"]);
  });
});

it.each<[string, () => Promise<unknown>, string]>([
  [
    "a trigger without an id",
    () => tasks.trigger(undefined as Any, {}),
    "id: undefined is not an id; a task's must have",
  ],
  ["a trigger with an empty id", () => tasks.trigger("", {}), 'id: "" is not an id'],
  ["a trigger of a function", () => tasks.trigger((() => 1) as Any, {}), "id: a function is not an id"],
  [
    "a trigger of what cannot be an id",
    () => tasks.trigger("hello world", {}),
    'id: "hello world" is not an id',
  ],
  [
    "options that are text",
    () => tasks.trigger("t", {}, "1m" as Any),
    'options: "1m" is given; it must be an object',
  ],
  [
    "a payload that cannot be sent",
    () => tasks.trigger("t", { user: Promise.resolve(1) }),
    "payload.user: is a promise; await it",
  ],
  [
    "a request's option",
    () => runs.retrieve("run_a", { singal: 1 } as Any),
    "singal: is not an option; did you mean signal?",
  ],
  ["a request's tries", () => runs.retrieve("run_a", { maxAttempts: 0 }), "maxAttempts: 0 is given"],
  ["a run without an id", () => runs.retrieve(undefined as Any), "id: undefined is not an id"],
  ["a poll without an id", () => runs.poll({ id: "run_a" } as Any), "id: an object is not an id"],
  ["an empty batch", () => batch.trigger([]), "items: a batch of 0 items; it must have 1 to 1000"],
  ["a batch that is no list", () => batch.trigger({} as Any), "items: an object is given; it must be a list"],
  [
    "a batch of nothing",
    () => tasks.batchTrigger("t", undefined as Any),
    "items: undefined is given; it must be a list",
  ],
  [
    "an item's field",
    () => batch.trigger([{ id: "t", paylod: 1 } as Any]),
    "items[0].paylod: is not an option; did you mean payload?",
  ],
  [
    "an item that is null",
    () => batch.trigger([null as Any]),
    "items[0]: null is given; it must be an object",
  ],
  [
    "an item's id",
    () => batch.trigger([{ id: "t", payload: 1 }, { payload: 1 } as Any]),
    "items[1].id: undefined is not an id",
  ],
  [
    "a batch's option",
    () => batch.trigger([{ id: "t", payload: 1 }], { maxConcurency: 1 } as Any),
    "maxConcurency: is not an option; did you mean maxConcurrency?",
  ],
  [
    "a status",
    () => runs.list({ status: "DONE" as Any }),
    'status: "DONE" is given; it must be one of PENDING_VERSION',
  ],
  [
    "a status in a list",
    () => runs.list({ status: ["COMPLETED", "canceled"] as Any }),
    "did you mean CANCELED?",
  ],
  [
    "a limit",
    () => runs.list({ limit: 1000 }),
    "limit: 1000 is given; it must be a whole number from 1 to 100",
  ],
  ["a filter", () => runs.list({ tags: "a" } as Any), "tags: is not an option; did you mean tag?"],
  [
    "a date in a filter",
    () => runs.list({ from: 1767225600 as Any }),
    "from: 1767225600 is given; it must be a Date",
  ],
  ["a page", () => queues.list({ page: 0 }), "page: 0 is given; it must be a whole number from 1"],
  [
    "a queue's limit",
    () => queues.overrideConcurrencyLimit("q", "3" as Any),
    'concurrencyLimit: "3" is given',
  ],
  ["a queue's type", () => queues.pause({ type: "custm", name: "q" } as Any), "did you mean custom?"],
  ["a queue without a name", () => queues.pause(undefined as Any), "queue: undefined is given"],
  [
    "a schedule's option",
    () => schedules.create({ task: "t", corn: "* * * * *", deduplicationKey: "k" } as Any),
    "corn: is not an option; did you mean cron?",
  ],
  [
    "a schedule without a cron",
    () => schedules.create({ task: "t", deduplicationKey: "k" } as Any),
    "cron: is missing",
  ],
  ["a delay", () => runs.reschedule("run_a", { delay: 60 } as Any), "delay: 60 is not a duration"],
  [
    "a token without scopes",
    () => (auth.createPublicToken as Any)(),
    "scopes: there are none; give what the token allows",
  ],
  ["a token with empty scopes", () => auth.createPublicToken({ scopes: {} }), "scopes: there are none"],
  [
    "a token's scope",
    () => auth.createPublicToken({ scopes: { raed: { runs: true } } as Any }),
    "scopes.raed: is not an option; did you mean read?",
  ],
  [
    "a token's expiry",
    () => auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: 60 as Any }),
    "expirationTime: 60 is given",
  ],
  ["a key", () => idempotencyKeys.create(undefined as Any), "idempotencyKey: undefined is given"],
  [
    "a setting",
    async () => configure({ baseUrl: "http://a" } as Any),
    "baseUrl: is not an option; did you mean baseURL?",
  ],
])("%s is named", async (_what, call, message) => {
  const refused = (async () => call())();
  await expect(refused).rejects.toThrow(InvalidOptionError);
  await expect(refused).rejects.toThrow(message);
  expect(api.requests).toEqual([]);
});

it.each(["localhost:8080", "fairlead-api", "ftp://a", "http://", "//a"])(
  "the address %s is named with its setting",
  async (address) => {
    configure({ baseURL: undefined });
    vi.stubEnv("TRIGGER_API_URL", address);
    await expect(runs.retrieve("run_a")).rejects.toThrow(
      `TRIGGER_API_URL: "${address}" is no address; it must begin with http://`,
    );
    configure({ baseURL: address });
    await expect(runs.retrieve("run_a")).rejects.toThrow(`baseURL: "${address}" is no address`);
  },
);
