import type { V1Pod } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { observePod } from "./podObserver.ts";

const at = "2026-01-01T00:00:05Z";

function pod(status: object, metadata: object = {}): V1Pod {
  return { metadata: { name: "p", ...metadata }, spec: { containers: [] }, status } as unknown as V1Pod;
}

const main = (state: object) => ({
  containerStatuses: [
    { name: "sidecar", state: {} },
    { name: "main", state },
  ],
});
const disrupted = (reason: string) => ({
  conditions: [{ type: "DisruptionTarget", status: "True", reason, message: "the node is gone" }],
});

describe("observePod", () => {
  test("a new pod is pending", () => {
    expect(observePod(pod({ phase: "Pending" }))).toEqual({
      state: "pending",
      blocked: undefined,
      waiting: "Pending",
    });
  });

  test.each(["ImagePullBackOff", "CreateContainerConfigError", "ErrImageNeverPull"])(
    "%s blocks",
    (reason) => {
      const seen = observePod(pod({ phase: "Pending", ...main({ waiting: { reason, message: "why" } }) }));
      expect(seen).toEqual({ state: "pending", blocked: { reason, message: "why" }, waiting: reason });
    },
  );

  test("ContainerCreating passes by itself", () => {
    const seen = observePod(pod({ phase: "Pending", ...main({ waiting: { reason: "ContainerCreating" } }) }));
    expect(seen).toEqual({ state: "pending", blocked: undefined, waiting: "ContainerCreating" });
  });

  test("an unschedulable pod has its reason", () => {
    const conditions = [
      { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" },
    ];
    expect(observePod(pod({ phase: "Pending", conditions }))).toEqual({
      state: "pending",
      blocked: { reason: "Unschedulable", message: "0/1 nodes" },
      waiting: "Pending",
    });
  });

  test("a pod runs when the main container does, whatever the others do", () => {
    const seen = observePod(pod({ phase: "Running", ...main({ running: { startedAt: at } }) }));
    expect(seen).toEqual({ state: "running", startedAt: at });
  });

  test("a pod has ended when the main container has, before the pod's phase says so", () => {
    const terminated = {
      exitCode: 137,
      reason: "OOMKilled",
      message: "last words",
      startedAt: at,
      finishedAt: at,
    };
    expect(observePod(pod({ phase: "Running", ...main({ terminated }) }))).toMatchObject({
      state: "ended",
      end: { exitCode: 137, reason: "OOMKilled", terminationMessage: "last words" },
    });
  });

  test("the pod's own reason goes before the container's", () => {
    const terminated = { exitCode: 143, reason: "Error" };
    const seen = observePod(pod({ phase: "Failed", reason: "DeadlineExceeded", ...main({ terminated }) }));
    expect(seen).toMatchObject({ state: "ended", end: { exitCode: 143, reason: "DeadlineExceeded" } });
  });

  test("an evicted pod was disrupted", () => {
    expect(observePod(pod({ phase: "Failed", reason: "Evicted", message: "low on memory" }))).toMatchObject({
      state: "ended",
      end: { disruption: { reason: "Evicted", message: "low on memory" } },
    });
  });

  test("a preempted pod was disrupted", () => {
    const status = {
      phase: "Failed",
      ...disrupted("PreemptionByScheduler"),
      ...main({ terminated: { exitCode: 143 } }),
    };
    expect(observePod(pod(status))).toMatchObject({
      end: { disruption: { reason: "PreemptionByScheduler" } },
    });
  });

  test("a pod on a silent node is lost, since it was marked for deletion", () => {
    const status = {
      phase: "Running",
      ...disrupted("DeletionByTaintManager"),
      ...main({ running: { startedAt: at } }),
    };
    expect(observePod(pod(status, { deletionTimestamp: at }))).toEqual({ state: "lost", since: at });
  });

  test.each([
    ["before it ended was disrupted", "2026-01-01T00:00:08Z", { reason: "PodDeleted" }],
    ["after it ended keeps its result", "2026-01-01T00:00:06Z", undefined],
  ])("a pod that was deleted %s", (_what, finishedAt, disruption) => {
    const status = {
      phase: "Failed",
      ...main({ terminated: { exitCode: 137, reason: "Error", finishedAt } }),
    };
    // Deleted at second 7, with 30 s to end.
    const metadata = { deletionTimestamp: "2026-01-01T00:00:37Z", deletionGracePeriodSeconds: 30 };
    const seen = observePod(pod(status, metadata));
    if (seen.state !== "ended") throw new Error(seen.state);
    if (disruption) expect(seen.end.disruption).toMatchObject(disruption);
    else expect(seen.end.disruption).toBeUndefined();
  });

  test("a pod that is being deleted still runs until its container is gone", () => {
    const seen = observePod(
      pod({ phase: "Running", ...main({ running: { startedAt: at } }) }, { deletionTimestamp: at }),
    );
    expect(seen.state).toBe("running");
  });
});
