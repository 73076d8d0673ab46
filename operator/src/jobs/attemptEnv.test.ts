import { expect, test } from "vitest";
import type { EnvironmentType } from "../model/environment.ts";
import type { Attempt, TaskRun, TaskRunStatus } from "../model/resources.ts";
import { attemptEnv } from "./attemptEnv.ts";
import { resolveProgram } from "./program.ts";

const attempt: Attempt = { number: 2, job: "hello-2", slot: 3, admittedAt: "2026-01-01T00:00:00Z" };
const defaults = { maxDurationSeconds: 60, startTimeoutSeconds: 30 };

function valuesOf(
  spec: object,
  status: TaskRunStatus = {},
  environment: EnvironmentType = "prod",
  hasPayload = false,
): Record<string, string> {
  const run = { metadata: { name: "hello", namespace: "prod", uid: "u" }, spec, status } as TaskRun;
  const pinned = { name: "greet", id: "greet", spec: { image: "i" } };
  const program = resolveProgram(run, run.spec.container ? undefined : pinned, defaults);
  const access = { apiUrl: "http://api/", environment, hasPayload };
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
  const ofTask = valuesOf({ task: "greet" }, { queue: "emails" }, "staging");
  expect(JSON.parse(ofTask.FAIRLEAD_CTX ?? "")).toMatchObject({
    queue: { name: "emails" },
    environment: { slug: "prod", type: "STAGING" },
  });
});

test("a container gets no task", () => {
  const values = valuesOf({ container: { image: "i" } });
  expect(values).toMatchObject({ FAIRLEAD_RUN_ID: "run_hello", FAIRLEAD_ATTEMPT: "2" });
  expect(values).not.toHaveProperty("FAIRLEAD_TASK_ID");
});

test("dollars survive what Kubernetes makes of them", () => {
  // Kubernetes: `$$` is a dollar, `$(NAME)` a variable.
  const expand = (value: string) =>
    value.replaceAll(/\$\$|\$\((\w+)\)/g, (found, name) => (found === "$$" ? "$" : `<${name}>`));
  for (const queue of ["$", "$$", "$$$", "$(HOME)", "$$(HOME)", "a$b"]) {
    const context = valuesOf({ task: "greet" }, { queue }).FAIRLEAD_CTX ?? "";
    expect(JSON.parse(expand(context))).toMatchObject({ queue: { name: queue } });
  }
});

test("a container gets URLs of the API, and of a payload only when it has one", () => {
  const spec = { container: { image: "i" }, payloadType: "text/plain" };
  const own = "http://api/engine/v1/attempt";
  const without = valuesOf(spec);
  expect(without).toMatchObject({ FAIRLEAD_OUTPUT_URL: `${own}/output` });
  expect(without).not.toHaveProperty("FAIRLEAD_PAYLOAD_URL");
  expect(valuesOf(spec, {}, "prod", true)).toMatchObject({
    FAIRLEAD_PAYLOAD_URL: `${own}/payload`,
    FAIRLEAD_PAYLOAD_TYPE: "text/plain",
  });
});

test("nothing that a tenant wrote into a run is in its variables", () => {
  const secret = "s3cr3t";
  const written = {
    payload: { a: secret },
    payloadData: secret,
    payloadRef: { key: secret },
    metadata: { a: secret },
    tags: [secret],
    idempotencyKey: secret,
  };
  for (const program of [{ task: "greet" }, { container: { image: "i" } }]) {
    const values = valuesOf({ ...program, ...written }, {}, "prod", true);
    expect(JSON.stringify(values)).not.toContain(secret);
  }
});
