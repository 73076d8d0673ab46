/** A task file with Trigger.dev's official SDK, unmodified, on the cluster. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import { imageOf, task } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("official");
  const spec = { image: imageOf("official-tasks"), retry: { maxAttempts: 1 } };
  await ns.apply(task("report", spec), task("counted", spec), task("stubborn", spec));
});
afterAll(() => ns?.remove());

test("a task's code reaches locals, init, metadata, tags and its context, and triggers another task", async () => {
  await ns.startRun("report", { task: "report", payload: { orders: [7, 8] } });
  const status = await ns.untilFinished("report");
  expect(status).toMatchObject({
    phase: "Completed",
    output: { db: "orders", init: { opened: true }, run: "run_report", attempt: 1 },
  });
  const run = await ns.get(TaskRuns, "report");
  expect(run?.spec.metadata).toEqual({ started: true, done: 2, orders: [7, 8], ended: "well" });
  expect(run?.spec.tags).toEqual(["reported"]);
  const child = String((status.output as { child: string }).child).replace(/^run_/, "");
  expect(await ns.untilFinished(child)).toMatchObject({ phase: "Completed", output: { n: 2 } });
});

test("a payload that the task's schema refuses fails the run, and is not tried again", async () => {
  await ns.startRun("refused", { task: "counted", payload: { n: "many" }, maxAttempts: 3 });
  expect(await ns.untilFinished("refused")).toMatchObject({
    ...{ phase: "Failed", attempt: 1 },
    error: { code: "PAYLOAD_ERROR", message: expect.stringContaining("does not match the task's schema") },
  });
});

test("catchError gets one more attempt than the policy has", async () => {
  await ns.startRun("stubborn", { task: "stubborn" });
  expect(await ns.untilFinished("stubborn")).toMatchObject({
    ...{ phase: "Completed", attempt: 2, output: { attempt: 2 } },
  });
});
