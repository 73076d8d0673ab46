import { expect, test } from "vitest";
import type { EnvironmentType } from "../model/environment.ts";
import type { Attempt, TaskRun, TaskRunStatus } from "../model/resources.ts";
import { attemptEnv, fitsVariable } from "./attemptEnv.ts";
import { resolveProgram } from "./program.ts";

const attempt: Attempt = { number: 2, job: "hello-2", slot: 3, admittedAt: "2026-01-01T00:00:00Z" };
const defaults = { maxDurationSeconds: 60, startTimeoutSeconds: 30 };

function valuesOf(
  spec: object,
  payload?: { text?: string; type: string; url?: string },
  status: TaskRunStatus = {},
  environment: EnvironmentType = "prod",
): Record<string, string> {
  const run = { metadata: { name: "hello", namespace: "prod", uid: "u" }, spec, status } as TaskRun;
  const pinned = { name: "greet", id: "greet", spec: { image: "i" } };
  const program = resolveProgram(run, run.spec.container ? undefined : pinned, defaults);
  const access = { apiUrl: "http://api", token: "t", payload, environment };
  const env = attemptEnv(run, attempt, program, access);
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? ""]));
}

test("a task gets its id, its entry and its context", () => {
  const values = valuesOf({ task: "greet" });
  expect(values).toMatchObject({ FAIRLEAD_TASK_ID: "greet", FAIRLEAD_ENTRY: "/app/tasks.mjs" });
  expect(JSON.parse(values.FAIRLEAD_CTX ?? "")).toMatchObject({
    task: { id: "greet" },
    attempt: { number: 2 },
    run: { id: "run_hello", maxAttempts: 3, maxDuration: 60 },
    queue: { name: "task/greet" },
    environment: { slug: "prod", type: "PRODUCTION" },
  });
});

test("a task sees the queue that its run was admitted from, and the type of its namespace's environment", () => {
  const ofTask = valuesOf({ task: "greet" }, undefined, { queue: "emails" }, "staging");
  expect(JSON.parse(ofTask.FAIRLEAD_CTX ?? "")).toMatchObject({
    queue: { name: "emails" },
    environment: { slug: "prod", type: "STAGING" },
  });
});

test("a container gets no task", () => {
  const values = valuesOf({ container: { image: "i" } });
  expect(values).toMatchObject({ FAIRLEAD_RUN_ID: "run_hello", FAIRLEAD_ATTEMPT: "2" });
  expect(values).not.toHaveProperty("FAIRLEAD_TASK_ID");
  expect(values).not.toHaveProperty("FAIRLEAD_PAYLOAD");
});

test("dollars survive what Kubernetes makes of them", () => {
  // Kubernetes: `$$` is a dollar, `$(NAME)` a variable.
  const expand = (value: string) =>
    value.replaceAll(/\$\$|\$\((\w+)\)/g, (found, name) => (found === "$$" ? "$" : `<${name}>`));
  for (const text of ["$", "$$", "$$$", "$(HOME)", "$$(HOME)", "a$b"]) {
    expect(expand(valuesOf({ task: "greet" }, { text, type: "text/plain" }).FAIRLEAD_PAYLOAD ?? "")).toBe(
      text,
    );
  }
});

test.each([
  ["no", undefined],
  ["few", { a: "$x" }],
  ["as many as fit", { a: "x".repeat(32 * 1024 - 8) }],
])("a task gets %s metadata with its context", (_what, metadata) => {
  const ctx = JSON.parse(valuesOf({ task: "greet", metadata }).FAIRLEAD_CTX?.replaceAll("$$", "$") ?? "");
  expect(ctx.run.metadata).toEqual(metadata);
  expect(ctx.hasLargeMetadata).toBeUndefined();
});

test("no variable grows with the metadata, whatever their size", () => {
  for (const size of [32 * 1024 - 7, 140_000, 256 * 1024]) {
    const context = valuesOf({ task: "greet", metadata: { a: "é".repeat(size) } }).FAIRLEAD_CTX ?? "";
    expect(Buffer.byteLength(context)).toBeLessThan(2048);
    expect(JSON.parse(context)).toMatchObject({ hasLargeMetadata: true, run: { id: "run_hello" } });
  }
});

test.each([
  ["", true],
  ["x".repeat(64 * 1024), true],
  ["x".repeat(64 * 1024 + 1), false],
  ["é".repeat(32 * 1024 + 1), false],
  ["a\0b", false],
  ["line\nline\r\u0001", true],
])("the payload %j fits into a variable: %s", (text, expected) => expect(fitsVariable(text)).toBe(expected));
