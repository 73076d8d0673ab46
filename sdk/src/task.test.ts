import { build } from "esbuild";
import { beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { AbortTaskRunError, type Task, task } from "./index.ts";
import { slotsKey } from "./slots.ts";

/** What was registered, by the name of the slot's method. */
let registered: Record<string, unknown[]>;

/** Slots that take anything. */
const recording = new Proxy(
  {},
  {
    get:
      (_target, method: string) =>
      (...args: unknown[]) => {
        registered[method] = [...(registered[method] ?? []), args.length === 1 ? args[0] : args];
      },
  },
);
const shared = globalThis as { [slotsKey]?: Record<string, unknown> };
beforeEach(() => {
  registered = {};
  shared[slotsKey] = { "resource-catalog": recording, "lifecycle-hooks": recording };
});
const run = (): void => {};

describe("task", () => {
  it("task() registers the task, its hooks and its queue with the process that runs tasks", () => {
    const queue = { name: "emails", concurrencyLimit: 2 };
    const retry = { maxAttempts: 5 };
    const options = {
      id: "emails/welcome",
      run,
      cleanup: run,
      handleError: run,
      queue,
      retry,
      machine: "micro",
    };
    expect(task(options as never)).toMatchObject({ id: "emails/welcome" });
    expect(registered).toEqual({
      registerTaskCleanupHook: [["emails/welcome", { fn: run }]],
      registerTaskCatchErrorHook: [["emails/welcome", { fn: run }]],
      registerTaskMetadata: [
        { id: "emails/welcome", queue, retry, machine: { preset: "micro" }, fns: { run } },
      ],
      registerQueueMetadata: [queue],
    });
  });

  it("task() registers nothing where nobody runs tasks, however often a module is loaded", () => {
    shared[slotsKey] = undefined;
    for (let times = 0; times < 2; times++) expect(task({ id: "twice", run }).id).toBe("twice");
  });

  it("a queue that a task only names is not defined by it", () => {
    task({ id: "a", run, queue: "emails" });
    expect(registered.registerTaskMetadata).toMatchObject([{ queue: { name: "emails" } }]);
    expect(registered.registerQueueMetadata).toBeUndefined();
  });

  it("task() knows the types of id, payload and output", () => {
    const greet = task({
      id: "greet",
      run: async (payload: { name: string }, { ctx, signal }) => {
        expectTypeOf(ctx.run.createdAt).toEqualTypeOf<Date>();
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
        return { greeting: payload.name };
      },
      onSuccess: ({ payload, output }) => {
        expectTypeOf(payload).toEqualTypeOf<{ name: string }>();
        expectTypeOf(output).toEqualTypeOf<{ greeting: string }>();
      },
    });
    expectTypeOf(greet).toEqualTypeOf<Task<"greet", { name: string }, { greeting: string }>>();
    expectTypeOf(task({ id: "nothing", run: () => 1 })).toEqualTypeOf<Task<"nothing", void, number>>();
  });

  it.each(["", "-a", "a b", "a-", "ü", "x".repeat(129), undefined])("refuses the id %j", (id) => {
    expect(() => task({ id: id as string, run })).toThrow(/^id: .* it must have 1 to 128 letters/);
  });

  it.each([
    [{ onSucess: run }, "onSucess: is not an option; did you mean onSuccess?"],
    [{ retries: 3 }, "retries: is not an option; there are id, run, init"],
    [{ onFailure: "log" }, 'onFailure: "log" is given; it must be a function'],
  ])("task() refuses %j", (options, message) => {
    expect(() => task({ id: "a", run, ...(options as object) })).toThrow(message);
    expect(registered).toEqual({});
  });

  it("task() refuses a run that is not a function", () => {
    expect(() => task({ id: "a", run: "later" as never })).toThrow(
      'run: is of type string in task "a"; it must be a function',
    );
  });
});

it("AbortTaskRunError is recognised by its name", () => {
  expect(new AbortTaskRunError("x")).toMatchObject({ name: "AbortTaskRunError", message: "x" });
});

it("a module with a task loads little: every cold start waits for it", async () => {
  const contents = `import { task } from "./index.ts"; export const a = task({ id: "a", run: () => 1 });`;
  const result = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    splitting: true,
    write: false,
    outdir: "unused",
    format: "esm",
    platform: "node",
    metafile: true,
  });
  const { outputs } = result.metafile;
  const entry = Object.keys(outputs).find((path) => outputs[path]?.entryPoint === "<stdin>") ?? "";
  // The client's definitions are there; what encodes other values than JSON is loaded by a payload that needs
  // it.
  const atOnce = new Set([entry]);
  for (const path of atOnce) {
    for (const { kind, path: next } of outputs[path]?.imports ?? [])
      if (kind !== "dynamic-import") atOnce.add(next);
  }
  const bytes = [...atOnce].reduce((sum, path) => sum + (outputs[path]?.bytes ?? Number.NaN), 0);
  expect(bytes).toBeLessThan(44 * 1024);
});

it("importing the SDK whole loads no package and no built-in module", async () => {
  const result = await build({
    entryPoints: [`${import.meta.dirname}/index.ts`],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    metafile: true,
  });
  const [output] = Object.values(result.metafile.outputs);
  expect(output?.imports.filter(({ kind }) => kind !== "dynamic-import")).toEqual([]);
});
