/** What the SDK gives to code within a run, as far as no host is needed to see it. */
import { afterEach, describe, expect, expectTypeOf, it } from "vitest";
import {
  idempotencyKeys,
  locals,
  metadata,
  queue,
  type ScheduledTaskPayload,
  type StandardSchema,
  schedules,
  schemaTask,
  tags,
  tasks,
  timeout,
  usage,
} from "./index.ts";
import { parserOf } from "./schema.ts";
import { slotsKey } from "./slots.ts";

const shared = globalThis as { [slotsKey]?: Record<string, unknown> };
afterEach(() => {
  shared[slotsKey] = undefined;
});

/** A schema of some library: an object with a number `n`, which may come as text. */
const schema: StandardSchema<{ n: number | string }, { n: number }> = {
  "~standard": {
    validate: async (value) => {
      const n = Number((value as { n?: unknown } | null)?.n);
      if (Number.isNaN(n)) return { issues: [{ message: "is no number", path: ["n", { key: 0 }] }] };
      return { value: { n } };
    },
  },
};

describe("outside of a run", () => {
  it("metadata, locals and usage do nothing, and tags.add says what is wrong", async () => {
    metadata.set("a", 1).increment("b");
    expect(metadata.current()).toBeUndefined();
    metadata.parent.set("a", 1).del("a");
    await metadata.flush();
    const key = locals.create<number>("n");
    expect(locals.get(key)).toBeUndefined();
    expect(() => locals.getOrThrow(key)).toThrow('locals: "n" is not set');
    expect(usage.getCurrent().compute.attempt.durationMs).toBe(0);
    expect(await usage.measure(() => 7)).toMatchObject({ result: 7, compute: { durationMs: 0 } });
    expect(timeout.signal).toBeUndefined();
    await expect(tags.add("a")).rejects.toThrow("outside of a run");
  });

  it("global hooks and queues register nothing", () => {
    expect(() => tasks.onStart(() => {})).not.toThrow();
    expect(queue({ name: "q", concurrencyLimit: 0 })).toEqual({ name: "q", concurrencyLimit: 0 });
  });
});

describe("keys of idempotency", () => {
  it("count everywhere outside of a run, and within one as their scope says", async () => {
    const outside = await idempotencyKeys.create(["a", "b"]);
    const context = { ctx: { run: { id: "run_1" }, attempt: { number: 2 } } };
    shared[slotsKey] = { "task-context": context };
    const keys = await Promise.all(
      ([undefined, "run", "attempt", "global"] as const).map((scope) =>
        idempotencyKeys.create("a-b", scope && { scope }),
      ),
    );
    expect(keys[0]).toBe(keys[1]);
    expect(keys[3]).toBe(outside);
    expect(new Set(keys).size).toBe(3);
    await expect(idempotencyKeys.create("a", { scope: "task" as never })).rejects.toThrow(/^scope: "task"/);
  });
});

describe("schemaTask", () => {
  it("knows the types before and after its schema", () => {
    const task = schemaTask({
      id: "typed",
      schema,
      run: async (payload) => {
        expectTypeOf(payload).toEqualTypeOf<{ n: number }>();
        return payload.n;
      },
    });
    expectTypeOf<Parameters<typeof task.trigger>[0]>().toEqualTypeOf<{ n: number | string }>();
  });

  it("refuses a payload before it is sent, with the path of each problem", async () => {
    const task = schemaTask({ id: "checked", schema, run: () => 1 });
    await expect(task.trigger({ n: "x" })).rejects.toMatchObject({
      ...{ name: "TaskPayloadParsedError", message: "n.0: is no number" },
    });
    await expect(task.batchTrigger([{ payload: { n: "x" } }])).rejects.toThrow("n.0: is no number");
  });

  it.each([undefined, {}, "z"])("refuses the schema %j", (wrong) => {
    expect(() => schemaTask({ id: "a", schema: wrong as never, run: () => 1 })).toThrow(/^schema: /);
  });

  it.each([
    ["a function", (value: unknown) => [value]],
    ["parseAsync", { parseAsync: async (value: unknown) => [value], parse: () => "not this" }],
    ["parse", { parse: (value: unknown) => [value] }],
    ["validateSync", { validateSync: (value: unknown) => [value] }],
    ["create", { create: (value: unknown) => [value] }],
  ])("takes %s of older libraries", async (_what, older) => {
    expect(await parserOf(older)?.(1)).toEqual([1]);
  });

  it("takes an assertion, which returns nothing", async () => {
    expect(await parserOf({ assert: () => undefined })?.(1)).toBe(1);
  });
});

describe("schedules.task", () => {
  it("knows the type of a tick, and registers its schedule", () => {
    const registered: unknown[] = [];
    shared[slotsKey] = {
      "resource-catalog": { registerTaskMetadata: (one: unknown) => registered.push(one) },
    };
    const cron = { pattern: "0 9 * * *", timezone: "Europe/Berlin" };
    schedules.task({
      id: "daily",
      cron,
      run: (payload) => expectTypeOf(payload).toEqualTypeOf<ScheduledTaskPayload>(),
    });
    schedules.task({ id: "attached", run: () => 1 });
    expect(registered).toMatchObject([
      { id: "daily", triggerSource: "schedule", schedule: { cron: "0 9 * * *", timezone: "Europe/Berlin" } },
      { id: "attached", triggerSource: "schedule" },
    ]);
    expect(registered[1]).not.toHaveProperty("schedule");
  });

  it.each([
    [{ timezone: "UTC" }, /^cron\.pattern: is missing/],
    [{ patern: "* * * * *" }, /^cron\.patern: /],
  ])("refuses the cron %j", (cron, message) => {
    expect(() => schedules.task({ id: "a", cron: cron as never, run: () => 1 })).toThrow(message);
  });
});
