import { build } from "esbuild";
import { beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { AbortTaskRunError, type Task, task } from "./index.ts";
import { registeredTasks } from "./registry.ts";

beforeEach(() => registeredTasks().clear());
const run = (): void => {};

describe("task", () => {
  it("task() registers what it was given, under its id", () => {
    const options = { id: "emails/welcome", run, cleanup: run };
    expect(task(options).id).toBe("emails/welcome");
    expect(registeredTasks().get("emails/welcome")).toBe(options);
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

  it("task() refuses a second task with the same id", () => {
    task({ id: "twice", run });
    expect(() => task({ id: "twice", run })).toThrow('id: "twice" is the id of another task already');
  });

  it.each(["", "-a", "a b", "a-", "ü", "x".repeat(129), undefined])("refuses the id %j", (id) => {
    expect(() => task({ id: id as string, run })).toThrow(/^id: .* it must have 1 to 128 letters/);
  });

  it.each([
    [{ onSucess: run }, "onSucess: is not an option; did you mean onSuccess?"],
    [{ retries: 3 }, "retries: is not an option; there are id, run, onStart"],
    [{ init: run }, "init: is not an option; there are id, run, onStart"],
    [{ onFailure: "log" }, 'onFailure: "log" is given; it must be a function'],
  ])("task() refuses %j", (options, message) => {
    expect(() => task({ id: "a", run, ...(options as object) })).toThrow(message);
    expect(registeredTasks().size).toBe(0);
  });

  it("task() with a setting of the Task resource does not compile, and keeps it for the runner to name", () => {
    // @ts-expect-error retry is no option
    task({ id: "a", run, retry: { maxAttempts: 5 } });
    expect(registeredTasks().get("a")).toMatchObject({ retry: { maxAttempts: 5 } });
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
  expect(bytes).toBeLessThan(36 * 1024);
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
