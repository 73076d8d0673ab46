/** TaskBatches from kubectl apply to their results. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import type { BatchResult } from "../../operator/src/model/batch/item.ts";
import { TaskBatches, TaskRuns } from "../../operator/src/model/kinds.ts";
import { apiVersion, type TaskBatch, type TaskRun } from "../../operator/src/model/resources.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("batch");
  await ns.apply(testTask("echo"));
});
afterAll(() => ns?.remove());

const quick = { podTemplate: { terminationGracePeriodSeconds: 1 } };
const apply = (name: string, spec: object): Promise<void> =>
  ns.apply({ apiVersion, kind: "TaskBatch", metadata: { name }, spec });

async function finished(name: string): Promise<NonNullable<TaskBatch["status"]>> {
  await ns.kubectl("wait", "--for=condition=Finished", `taskbatch/${name}`, "--timeout=110s");
  return (await ns.get(TaskBatches, name))?.status ?? {};
}

const runsOf = (name: string): Promise<TaskRun[]> => ns.list(TaskRuns, `fairlead.dev/batch=${name}`);

async function resultsOf(status: TaskBatch["status"]): Promise<BatchResult[]> {
  const text = await loadObject(status?.resultsRef?.key);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as BatchResult);
}

test("all items of a batch run, never more than maxConcurrency at once, and their outputs are the results", async () => {
  const items = Array.from({ length: 6 }, (_, n) =>
    n === 0 ? { task: "echo", payload: { n } } : shell(`sleep 1; echo '{"n":${n}}' > /dev/termination-log`),
  );
  await apply("six", { items, maxConcurrency: 2, defaults: quick });
  const status = await finished("six");
  expect(status).toMatchObject({ phase: "Completed", counts: { total: 6, completed: 6, running: 0 } });
  const results = await resultsOf(status);
  expect(results.map(({ index, output }) => [index, output])).toEqual(items.map((_, n) => [n, { n }]));
  const spans = (await runsOf("six")).map(({ metadata, status: run }) => [
    Date.parse(metadata.creationTimestamp ?? ""),
    // creationTimestamp has a resolution of a second.
    Math.floor(Date.parse(run?.finishedAt ?? "") / 1000) * 1000,
  ]);
  for (const [at = 0] of spans) {
    const others = spans.filter(([from = 0, to = 0]) => from <= at && at < to);
    expect(others.length).toBeLessThanOrEqual(2);
  }
  const [head = "", line = ""] = (await ns.kubectl("get", "fbatch", "six")).split("\n");
  expect(head.split(/\s+/).slice(0, 6)).toEqual(["NAME", "PHASE", "TOTAL", "RUNNING", "COMPLETED", "FAILED"]);
  expect(line.split(/\s+/).slice(0, 6)).toEqual(["six", "Completed", "6", "0", "6", "0"]);
});

test("an invalid item and a failed run do not affect the other items", async () => {
  const items = [shell("exit 0"), { ...shell("exit 0"), task: "echo" }, shell("exit 3")];
  await apply("mixed", { items, defaults: quick });
  const status = await finished("mixed");
  expect(status).toMatchObject({
    phase: "PartiallyFailed",
    reason: "ItemsFailed",
    counts: { total: 3, completed: 1, failed: 2 },
    errors: [{ index: 1, message: expect.stringMatching(/exactly one of spec\.task/) }],
  });
  expect((await resultsOf(status)).map(({ phase }) => phase)).toEqual(["Completed", "Failed", "Failed"]);
  await ns.kubectl("wait", "--for=condition=Failed", "taskbatch/mixed", "--timeout=1s");
});

test("cancelRequested ends the existing runs of a batch and creates no more", async () => {
  const items = Array.from({ length: 5 }, () => shell("sleep 300"));
  await apply("stop", { items, maxConcurrency: 2, defaults: quick });
  await waitFor(
    "two runs execute",
    async () => (await runsOf("stop")).filter(({ status }) => status?.phase === "Executing").length === 2,
    { timeoutMs: 60_000, intervalMs: 500 },
  );
  await ns.kubectl("patch", "taskbatch", "stop", "--type=merge", "-p", '{"spec":{"cancelRequested":true}}');
  expect(await finished("stop")).toMatchObject({
    phase: "PartiallyFailed",
    reason: "Canceled",
    counts: { total: 5, canceled: 5, completed: 0, running: 0 },
  });
  expect((await runsOf("stop")).map(({ status }) => status?.phase)).toEqual(["Canceled", "Canceled"]);
});

test("deleting a batch deletes its runs, their Jobs and pods", async () => {
  await apply("deleted", { items: [shell("sleep 300"), shell("sleep 300")], defaults: quick });
  await waitFor(
    "both runs execute",
    async () => (await runsOf("deleted")).filter(({ status }) => status?.phase === "Executing").length === 2,
    { timeoutMs: 60_000, intervalMs: 500 },
  );
  const names = (await runsOf("deleted")).map(({ metadata }) => metadata.name);
  await ns.kubectl("delete", "taskbatch", "deleted", "--wait=false");
  let left = "";
  await waitFor(
    "nothing of it is left",
    async () => {
      const selector = `fairlead.dev/run in (${names.join(",")})`;
      left = await ns.kubectl("get", "taskruns,jobs,pods", "--selector", selector, "-o", "name");
      return left.trim() === "" && (await runsOf("deleted")).length === 0;
    },
    { timeoutMs: 90_000, intervalMs: 500, describe: () => left },
  );
});

test("a finished batch is deleted with its runs after ttlSecondsAfterFinished", async () => {
  await apply("brief", { items: [shell("exit 0")], ttlSecondsAfterFinished: 2, defaults: quick });
  await waitFor(
    "batch and run do not exist any more",
    async () =>
      (await ns.get(TaskBatches, "brief")) === undefined && (await ns.get(TaskRuns, "brief-0")) === undefined,
    { timeoutMs: 90_000, intervalMs: 500 },
  );
});
