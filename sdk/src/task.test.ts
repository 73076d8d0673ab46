import { build } from "esbuild";
import { beforeEach, describe, expect, expectTypeOf, it } from "vitest";
import { AbortTaskRunError, type Task, task } from "./index.ts";
import { registeredTasks } from "./registry.ts";

beforeEach(() => registeredTasks().clear());
const run = (): void => {};

describe("task", () => {
  it("registers what it was given, under its id", () => {
    const options = { id: "emails/welcome", run, cleanup: run };
    expect(task(options).id).toBe("emails/welcome");
    expect(registeredTasks().get("emails/welcome")).toBe(options);
  });

  it("knows the types of id, payload and output", () => {
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

  it("refuses a second task with the same id", () => {
    task({ id: "twice", run });
    expect(() => task({ id: "twice", run })).toThrow(
      'task({ id: "twice" }): another task has this id already',
    );
  });

  it.each(["", "-a", "a b", "a-", "ü", "x".repeat(129), undefined])("refuses the id %j", (id) => {
    expect(() => task({ id: id as string, run })).toThrow("an id has 1 to 128 letters");
  });

  it("refuses a run that is no function", () => {
    expect(() => task({ id: "a", run: "later" as never })).toThrow("run must be a function, it is string");
  });
});

it("AbortTaskRunError is recognised by its name", () => {
  expect(new AbortTaskRunError("x")).toMatchObject({ name: "AbortTaskRunError", message: "x" });
});

it("importing the SDK loads nothing: every cold start waits for it", async () => {
  const entryPoints = [`${import.meta.dirname}/index.ts`];
  const result = await build({
    entryPoints,
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    metafile: true,
  });
  const [output] = Object.values(result.metafile.outputs);
  expect(output?.imports).toEqual([]);
  expect(output?.bytes).toBeLessThan(8 * 1024);
});
