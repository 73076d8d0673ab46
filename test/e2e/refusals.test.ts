/** What the API server refuses with a message, and what the controller refuses with a reason. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run, tryRun } from "../../hack/lib/exec.ts";
import { Jobs } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import {
  imageOf,
  type Manifest,
  readPayload,
  shell,
  task,
  taskRun,
  testTask,
} from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("refuse");
});
afterAll(() => ns?.remove());

const image = "fairlead.local/x:1";
const container = { image };

const refused: [string, Manifest, RegExp][] = [
  [
    "a typo in a field",
    taskRun("x", { container, maxDurationSecond: 5 }),
    /unknown field "spec\.maxDurationSecond"/,
  ],
  [
    "a typo inside",
    taskRun("x", { container: { image, comand: ["sh"] } }),
    /unknown field "spec\.container\.comand"/,
  ],
  [
    "a negative duration",
    taskRun("x", { container, maxDurationSeconds: -1 }),
    /spec\.maxDurationSeconds.*greater than or equal to 5/,
  ],
  [
    "a text for a number",
    taskRun("x", { container, maxAttempts: "two" }),
    /spec\.maxAttempts.*(integer|numeric)/,
  ],
  [
    "both task and container",
    taskRun("x", { container, task: "t" }),
    /exactly one of spec\.task .* and spec\.container/,
  ],
  ["neither", taskRun("x", {}), /exactly one of spec\.task .* and spec\.container/],
  ["a name that is too long", taskRun("x".repeat(59), { container }), /at most 58 characters/],
  ["a date that is none", taskRun("x", { container, delayUntil: "tomorrow" }), /spec\.delayUntil.*date-time/],
  [
    "a date with an offset that is none",
    taskRun("x", { container, delayUntil: "2030-01-01T00:00:00+99:99" }),
    /spec\.delayUntil.*must be a time with its zone/s,
  ],
  ["an unknown machine", taskRun("x", { container, machine: "huge" }), /spec\.machine.*supported values/],
  [
    "a field of a later version",
    task("x", { image: "x:1", warm: { min: 1 } }),
    /warm is not supported in this version/,
  ],
  ["a Task without an image", task("x", {}), /exactly one of spec\.image/],
];

describe("kubectl apply", () => {
  test.each(refused)("kubectl apply refuses %s", async (_what, manifest, message) => {
    expect(await ns.applyRefused(manifest)).toMatch(message);
    expect(await ns.get(TaskRuns, manifest.metadata.name)).toBeUndefined();
  });

  test.each(refused)(
    "kubectl apply --server-side with strict validation refuses %s",
    async (_what, manifest, message) => {
      const text = await ns.applyRefused(manifest, "--server-side", "--validate=strict");
      // Server-side apply names only the field: `.spec.maxDurationSecond: field not declared in schema`.
      const field = /unknown field "(.+?)"/.exec(message.source.replaceAll("\\", ""))?.[1];
      expect(text).toMatch(
        field
          ? new RegExp(`${field.replaceAll(".", "\\.")}.*(not declared|unknown)|unknown field.*${field}`)
          : message,
      );
    },
  );

  test("kubectl apply refuses a change of an immutable field", async () => {
    await ns.startRun("fixed", { ...shell("exit 0"), maxDurationSeconds: 10 });
    const changed = { ...shell("exit 0"), maxDurationSeconds: 20, priority: 3 };
    expect(await ns.applyRefused(taskRun("fixed", changed))).toMatch(
      /create another TaskRun, these fields cannot change after creation: priority maxDurationSeconds/,
    );
  });
});

describe("the controller", () => {
  test("the controller fails a run whose payload is too large", async () => {
    const payload = "x".repeat(300 * 1024);
    const manifest = JSON.stringify(taskRun("large", { payload, container: { image: imageOf("shell") } }));
    await run("kubectl", ["--namespace", ns.name, "create", "-f", "-"], { input: manifest });
    const status = await ns.untilFinished("large");
    expect(status).toMatchObject({ phase: "Failed", reason: "PayloadTooLarge" });
    expect(status.message).toContain("spec.payloadRef");
    expect(await ns.list(Jobs, "fairlead.dev/run=large")).toEqual([]);
  });

  test("the controller accepts a payload of exactly the limit", async () => {
    const payload = "x".repeat(256 * 1024 - 2);
    const manifest = JSON.stringify(
      taskRun("fits", {
        payload,
        ...shell(`${readPayload} | wc -c > /dev/termination-log`),
      }),
    );
    await run("kubectl", ["--namespace", ns.name, "create", "-f", "-"], { input: manifest });
    expect(await ns.untilFinished("fits")).toMatchObject({ phase: "Completed", output: 256 * 1024 });
  });

  test("the controller fails a run whose payload was edited before it started", async () => {
    await ns.startRun("edited", { payload: { a: 1 }, task: "late" });
    await ns.until("edited", "waits for its Task", (status) => status.reason === "TaskNotFound");
    const patch = JSON.stringify({ spec: { payload: { a: 2 } } });
    await ns.kubectl("patch", "taskrun", "edited", "--type=merge", "-p", patch);
    await ns.startRun("waits", { task: "late", payload: "right" });
    await ns.until("waits", "waits for its Task", (status) => status.reason === "TaskNotFound");
    expect(await ns.kubectl("describe", "taskrun", "waits")).toContain("late");

    // GitOps applies in any order: here the Task comes last.
    await ns.apply(testTask("echo", { id: "late" }));
    expect(await ns.untilFinished("edited")).toMatchObject({ phase: "Failed", reason: "PayloadChanged" });
    // The image's task is called `echo`, so the run fails; here it only matters that it was started.
    expect(await ns.untilFinished("waits")).toMatchObject({ error: { code: "TASK_NOT_FOUND" } });
  });

  test("the controller marks the younger of two Tasks with the same id", async () => {
    await ns.apply(testTask("first", { id: "same" }));
    await ns.kubectl("wait", "--for=condition=Ready", "task/first", "--timeout=30s");
    await ns.apply(testTask("second", { id: "same" }));
    await ns.kubectl("wait", "--for=condition=Ready=false", "task/second", "--timeout=30s");
  });

  test("the controller does not adopt a Job of another owner", async () => {
    const job = {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { name: "taken-1" },
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: "Never", containers: [{ name: "c", image }] } },
      },
    };
    await tryRun("kubectl", ["--namespace", ns.name, "create", "-f", "-"], { input: JSON.stringify(job) });
    await ns.startRun("taken", shell("exit 0"));
    expect(await ns.untilFinished("taken")).toMatchObject({ phase: "Failed", reason: "JobNameTaken" });
    expect(await ns.get(Jobs, "taken-1")).toBeDefined();
  });
});
