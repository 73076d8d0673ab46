/** What is applied under a name that was used before runs, and gets nothing of the earlier one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Pods } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell, taskRun, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("names");
});
afterAll(() => ns?.remove());

const says = (word: string, script = "") =>
  shell(`${script} echo "log of ${word}"; printf '"${word}"' > /dev/termination-log`);

async function replace(name: string, spec: object): Promise<void> {
  await ns.kubectl("delete", "taskrun", name, "--wait=true");
  await ns.apply(taskRun(name, spec));
}

test("a run that is replaced right after its end runs again, with its own output and log", async () => {
  await ns.apply(taskRun("again", says("first")));
  expect((await ns.untilFinished("again")).output).toBe("first");
  await replace("again", says("second"));
  const status = await ns.untilCaptured("again");
  expect(status).toMatchObject({ phase: "Completed", output: "second" });
  const uid = (await ns.get(TaskRuns, "again"))?.metadata.uid;
  const [attempt] = status.attempts ?? [];
  expect(attempt?.logKey).toContain(`runs/again.${uid}/`);
  expect(await loadObject(attempt?.logKey)).toContain("log of second");
});

test("a run that is replaced while its pod is in its grace period runs again, and does not count the old pod", async () => {
  await ns.apply(taskRun("busy", says("old", "trap '' TERM; for i in $(seq 300); do sleep 0.1; done;")));
  await ns.untilPhase("busy", "Executing");
  await replace("busy", says("new"));
  const status = await ns.untilFinished("busy");
  expect(status).toMatchObject({ phase: "Completed", output: "new", attempt: 1 });
});

test("a batch that is applied again runs its items again", async () => {
  const batch = (word: string) => ({
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "TaskBatch",
    metadata: { name: "b" },
    spec: { items: [{ task: "echo", payload: word }] },
  });
  await ns.apply(testTask("echo"), batch("first"));
  await ns.untilFinished("b-0");
  await ns.kubectl("delete", "taskbatch", "b", "--wait=true");
  await ns.kubectl("wait", "--for=delete", "taskrun/b-0", "--timeout=60s");
  await ns.apply(batch("second"));
  expect(JSON.stringify((await ns.untilFinished("b-0")).output)).toContain("second");
});

test("a run completes although its Task was deleted while it slept", async () => {
  await ns.apply(testTask("sleep"), taskRun("sleeps", { task: "sleep", payload: { ms: 4000 } }));
  await ns.untilPhase("sleeps", "Executing");
  await ns.kubectl("delete", "task", "sleep");
  // An event of the run while there is no Task.
  const [pod] = await ns.list(Pods, "fairlead.dev/run=sleeps");
  await ns.kubectl("label", "pod", pod?.metadata?.name ?? "", "touched=true");
  expect(await ns.untilFinished("sleeps")).toMatchObject({ phase: "Completed", attempt: 1 });
});
