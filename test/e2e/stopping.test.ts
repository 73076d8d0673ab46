/** Stopping runs: by maxDuration, cancelRequested and deletion. No process of a run is left behind. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { Jobs, Pods } from "../../operator/src/kube/resources.ts";
import { loadObject } from "../support/release/bucket.ts";
import { shell, testTask } from "../support/release/manifests.ts";
import { findRunProcesses } from "../support/release/processes.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("stop");
  await ns.apply(
    ...["ignore-sigterm", "cleanup-in-grace", "blocked-loop", "partial-result"].map((id) => testTask(id)),
  );
});
afterAll(() => ns?.remove());

/** Waits until the run executes and has a process, so that "no process is left" means something later. */
async function executing(name: string): Promise<void> {
  await ns.untilPhase(name, "Executing");
  await waitFor(`a process of ${name}`, () => findRunProcesses(name, ns.name).length > 0, {
    timeoutMs: 10_000,
  });
}

async function noneLeft(name: string): Promise<void> {
  await waitFor(`no process of ${name}`, () => findRunProcesses(name, ns.name).length === 0, {
    timeoutMs: 10_000,
  });
}

/** Without the time that each line begins with. */
async function logOf(name: string): Promise<string> {
  const log = await loadObject((await ns.untilCaptured(name)).attempts?.[0]?.logKey);
  return log.replace(/^\d\S+Z /gm, "");
}

describe("maxDuration", () => {
  test("a task that ignores SIGTERM is killed after its grace period", async () => {
    await ns.startRun("ignores", { task: "ignore-sigterm", maxDurationSeconds: 5 });
    await executing("ignores");
    const status = await ns.untilFinished("ignores");
    expect(status).toMatchObject({ phase: "TimedOut", reason: "MaxDurationExceeded", attempt: 1 });
    expect(status.message).toContain("5 s");
    await noneLeft("ignores");
    expect(await logOf("ignores")).toContain("ignoring SIGTERM");
  });

  test("a task has its grace period to clean up", async () => {
    await ns.startRun("cleans", {
      task: "cleanup-in-grace",
      payload: { cleanupMs: 300 },
      maxDurationSeconds: 5,
    });
    await executing("cleans");
    expect(await ns.untilFinished("cleans")).toMatchObject({ phase: "TimedOut" });
    await noneLeft("cleans");
    const log = await logOf("cleans");
    expect(log).toContain("stopped: maxDuration");
    expect(log).toContain("cleaned up in run");
    expect(log).toContain("\ncleanup\n");
  });

  test("a task that blocks its event loop is killed after its grace period", async () => {
    await ns.startRun("blocks", { task: "blocked-loop", maxDurationSeconds: 5 });
    await executing("blocks");
    expect(await ns.untilFinished("blocks")).toMatchObject({ phase: "TimedOut" });
    await noneLeft("blocks");
    expect(await logOf("blocks")).toContain("blocking the event loop");
  });

  test("a result that arrives after the stop began does not count", async () => {
    await ns.startRun("late", { task: "partial-result", maxDurationSeconds: 5 });
    await executing("late");
    const status = await ns.untilFinished("late");
    expect(status.phase).toBe("TimedOut");
    expect(status.output).toBeUndefined();
  });

  test("maxDuration also stops a container", async () => {
    await ns.startRun("loops", {
      ...shell("trap '' TERM; echo working; while :; do sleep 1; done"),
      maxDurationSeconds: 5,
      podTemplate: { terminationGracePeriodSeconds: 1 },
    });
    await executing("loops");
    expect(await ns.untilFinished("loops")).toMatchObject({ phase: "TimedOut" });
    await noneLeft("loops");
    expect(await logOf("loops")).toBe("working\n");
  });
});

describe("cancelRequested", () => {
  const cancel = (name: string) =>
    ns.kubectl("patch", "taskrun", name, "--type=merge", "-p", '{"spec":{"cancelRequested":true}}');

  test("cancelRequested stops an executing run, which learns the reason", async () => {
    await ns.startRun("cancel", { task: "cleanup-in-grace", payload: {} });
    await executing("cancel");
    await cancel("cancel");
    expect(await ns.untilFinished("cancel")).toMatchObject({ phase: "Canceled", reason: "CancelRequested" });
    await noneLeft("cancel");
    const log = await logOf("cancel");
    expect(log).toContain("stopped: canceled");
    expect(log).toContain("onCancel");
  });

  test("cancelRequested ends a queued run at once", async () => {
    await ns.startRun("waits", { task: "unknown" });
    await ns.until("waits", "waits", (status) => status.reason === "TaskNotFound");
    await cancel("waits");
    expect(await ns.untilFinished("waits")).toMatchObject({ phase: "Canceled", attempt: 0 });
  });

  test("cancelRequested ends a delayed run at once", async () => {
    const delayUntil = new Date(Date.now() + 3_600_000).toISOString();
    await ns.startRun("delayed", { ...shell("exit 0"), delayUntil });
    await ns.untilPhase("delayed", "Delayed");
    await cancel("delayed");
    expect(await ns.untilFinished("delayed")).toMatchObject({ phase: "Canceled" });
  });

  test("cancelRequested ends a run whose pod cannot start", async () => {
    await ns.startRun("stuck", { container: { image: "fairlead.local/nothing:1" } });
    await ns.until("stuck", "is blocked", (status) => /Image/.test(status.reason ?? ""));
    await cancel("stuck");
    expect(await ns.untilFinished("stuck")).toMatchObject({ phase: "Canceled" });
  });

  test("cancelRequested cannot be revoked, and does not change a run that has ended", async () => {
    await ns.startRun("ended", shell("exit 0"));
    const before = await ns.untilFinished("ended");
    await cancel("ended");
    const undo = await ns.tryKubectl(
      "patch",
      "taskrun",
      "ended",
      "--type=merge",
      "-p",
      '{"spec":{"cancelRequested":false}}',
    );
    expect(undo.stderr).toContain("cannot be taken back");
    expect((await ns.loadRun("ended")).status).toMatchObject({
      phase: "Completed",
      finishedAt: before.finishedAt,
    });
  });
});

describe("deletion", () => {
  test("deleting a TaskRun deletes its Job and its pod", async () => {
    await ns.startRun("deleted", { task: "ignore-sigterm" });
    await executing("deleted");
    await ns.kubectl("delete", "taskrun", "deleted", "--timeout=30s");
    await waitFor(
      "Job and pod do not exist any more",
      async () =>
        (await ns.list(Jobs, "fairlead.dev/run=deleted")).length === 0 &&
        (await ns.list(Pods, "fairlead.dev/run=deleted")).length === 0,
      { timeoutMs: 30_000 },
    );
    await noneLeft("deleted");
  });
});

test("a delayed run starts when its delay ends", async () => {
  const due = Date.now() + 8_000;
  await ns.startRun("later", { ...shell("exit 0"), delayUntil: new Date(due).toISOString() });
  await ns.untilPhase("later", "Delayed");
  const status = await ns.untilFinished("later");
  expect(status.phase).toBe("Completed");
  expect(Date.parse(status.queuedAt ?? "")).toBeGreaterThanOrEqual(due);
});
