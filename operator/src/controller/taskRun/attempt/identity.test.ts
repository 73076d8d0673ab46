/** Names come again, and can be anybody's: what belongs to an attempt is found by the uid of its run. */
import { attemptLabel, runUidLabel } from "@fairlead/protocol/labels";
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { describe, expect, test } from "vitest";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { at } from "../../../kube/manager/requeue.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { newRun, play } from "../../../model/run/testEvents.ts";
import { act } from "./act.ts";
import { createJob } from "./createJob.ts";
import { decide } from "./decide.ts";
import { attemptOfPod } from "./livePods.ts";
import { executing, job, podRef, running, second, starting, stopping, viewOf } from "./testViews.ts";
import { loadAttempt, type PodView, type ViewDeps } from "./view.ts";

const uid = starting.metadata.uid;

function pod(of: string, podUid: string, phase: "Running" | "Succeeded" = "Running", at = 0): V1Pod {
  const state =
    phase === "Running"
      ? { running: { startedAt: new Date(second(1)) } }
      : { terminated: { exitCode: 0, reason: "Completed", finishedAt: new Date(second(2)) } };
  return {
    metadata: {
      name: `r-1-${podUid}`,
      uid: podUid,
      namespace: "default",
      creationTimestamp: new Date(second(at)),
      labels: { [runUidLabel]: of, [attemptLabel]: "1" },
    },
    spec: { containers: [], nodeName: "node-1" },
    status: {
      phase,
      containerStatuses: [{ name: "main", ready: false, image: "", imageID: "", restartCount: 0, state }],
    },
  } as V1Pod;
}

/** What the cluster has under the names of the run's first attempt. */
function clusterWith({ pods = [], jobs = [] }: { pods?: V1Pod[]; jobs?: V1Job[] }) {
  const deps = {
    client: {
      get: async (resource: { kind: string }, _namespace: string, name: string) =>
        [...pods, ...jobs].find(
          (one) => one.metadata?.name === name && (resource.kind === "Job") === jobs.includes(one as V1Job),
        ),
    },
    livePods: {
      get: async () => new Set(pods.map((one) => attemptOfPod(one.metadata?.labels?.[runUidLabel] ?? "", 1))),
    },
    jobProblems: { of: async () => undefined },
    lastTold: { of: () => undefined },
    pods: {
      byIndex: (_index: string, value: string) =>
        pods.filter((one) => attemptOfPod(one.metadata?.labels?.[runUidLabel] ?? "", 1) === value),
    },
    jobs: { get: (_namespace: string, name: string) => jobs.find((one) => one.metadata?.name === name) },
    versions: { read: async () => undefined },
    config: {
      defaults: { maxDurationSeconds: 60, startTimeoutSeconds: 30 },
      nodeLostAfterSeconds: 60,
      jobRetentionSeconds: 300,
    },
    clock: () => second(3),
    random: () => 0,
  } as unknown as ViewDeps;
  return async (run: TaskRun) => {
    const ofContainer = { ...run, spec: newRun({ container: { image: "i" } }).spec };
    const attempt = ofContainer.status?.attempts?.[0];
    if (!attempt) throw new Error("the run has no attempt");
    return loadAttempt(deps, ofContainer, attempt);
  };
}

const jobOf = (owner: Partial<{ kind: string; name: string; uid: string }>): V1Job => ({
  metadata: {
    ...job().metadata,
    ownerReferences: [{ apiVersion: "v1", kind: "TaskRun", name: "r", uid: "old", ...owner }],
  },
});
const completed = play(
  executing,
  { type: "CancelRequested" },
  {
    type: "ContainerGone",
    attempt: 1,
    retry: { maxAttempts: 1, factor: 1, minTimeoutInMs: 1, maxTimeoutInMs: 1, randomize: false },
    random: 0,
  },
);

describe("a run that is applied again under the name of a deleted one", () => {
  test.each([
    ["ended", pod("old", "p0", "Succeeded")],
    ["runs still, in its grace period", pod("old", "p0")],
  ])("creates its own Job while the old pod %s", async (_title, old) => {
    const view = await clusterWith({ pods: [old], jobs: [jobOf({})] })(starting);
    expect(view).toMatchObject({ pod: undefined, job: undefined });
    expect(decide(view)).toMatchObject({ do: "createJob" });
  });

  test("loses its attempt when its own pod is gone, whatever the old one does", async () => {
    const view = await clusterWith({ pods: [pod("old", "p0", "Succeeded")] })(executing);
    expect(decide(view)).toMatchObject({
      event: { end: { outcome: "Infrastructure", reason: "PodDeleted" } },
    });
  });

  test("does not store the old log as its own", async () => {
    const view = await clusterWith({ pods: [pod("old", "p0", "Succeeded")], jobs: [jobOf({})] })(completed);
    expect(decide(view)).toMatchObject({ event: { type: "Captured", attempt: 1 } });
  });

  test("is canceled without touching a Job that is not its own", async () => {
    const canceled = play(starting, { type: "CancelRequested" });
    for (const other of [
      jobOf({}),
      jobOf({ kind: "CronJob" }),
      { metadata: { ...job().metadata, ownerReferences: [] } },
    ]) {
      const view = await clusterWith({ jobs: [other] })(canceled);
      expect(decide(view)).toMatchObject({ event: { type: "ContainerGone" } });
    }
  });
});

describe("a Job's name that is taken", () => {
  const view = viewOf(starting, 1);

  async function createBeside(other: V1Job) {
    const deleted: unknown[] = [];
    const deps = {
      slots: { confirm: async () => true },
      environments: { of: () => ({ type: "prod" }) },
      config: { apiUrl: "" },
      jobs: { upsertFromWrite: () => {} },
      client: {
        create: async () => {
          throw new KubeError({
            method: "POST",
            path: "",
            status: 409,
            reason: "AlreadyExists",
            message: "",
          });
        },
        get: async () => other,
        delete: async (_resource: unknown, _namespace: string, name: string, options: { uid?: string }) => {
          deleted.push([name, options.uid]);
        },
      },
    } as unknown as Parameters<typeof createJob>[0];
    return { decision: await createJob(deps, view), deleted };
  }

  test("by a deleted run of this name is waited for, and its Job is deleted by its uid", async () => {
    const orphan = { metadata: { ...job().metadata, ownerReferences: [], labels: { [runUidLabel]: "old" } } };
    for (const leftover of [jobOf({}), orphan]) {
      const { decision, deleted } = await createBeside(leftover);
      expect(decision).toMatchObject({
        event: { type: "StartBlocked", reason: "EarlierJob" },
        requeue: at(second(1.5)),
      });
      expect(deleted).toEqual([["r-1", "j1"]]);
    }
  });

  test.each([
    ["a user's Job", { metadata: { ...job().metadata, ownerReferences: [] } }],
    ["another owner's", jobOf({ kind: "CronJob", name: "r" })],
    ["another run's", jobOf({ name: "other" })],
  ])("by %s fails the attempt, and nothing is deleted", async (_title, other) => {
    const { decision, deleted } = await createBeside(other);
    expect(decision).toMatchObject({ event: { end: { reason: "JobNameTaken", retryable: false } } });
    expect(deleted).toEqual([]);
  });
});

test("deleting an attempt's Job names its uid, and leaves another's Job of that name", async () => {
  for (const [other, expected] of [
    [jobOf({ uid }), ["j1"]],
    [jobOf({}), []],
  ] as const) {
    const deleted: unknown[] = [];
    const client = {
      get: async () => other,
      delete: async (_resource: unknown, _namespace: string, _name: string, options: { uid?: string }) => {
        deleted.push(options.uid);
      },
    };
    await act(
      { client } as unknown as Parameters<typeof act>[0],
      viewOf(stopping, 90),
      { do: "deleteJob" },
      "fast",
    );
    expect(deleted).toEqual(expected);
  }
});

describe("an attempt with two pods", () => {
  test("has the pod that its status names, whatever order they come in", async () => {
    const [own, other] = [pod(uid, "p1"), pod(uid, "p2", "Succeeded")];
    for (const pods of [
      [own, other],
      [other, own],
    ]) {
      const view = await clusterWith({ pods, jobs: [job()] })(executing);
      expect(view.pod?.ref.podUid).toBe("p1");
      expect(decide(view)).toEqual(at(second(60)));
    }
  });

  test("has the other one stopped, and goes on with its own in the same step", async () => {
    const view = await clusterWith({ pods: [pod(uid, "p1", "Succeeded"), pod(uid, "p2")], jobs: [job()] })(
      executing,
    );
    expect(decide(view)).toEqual({ do: "endStrays" });
    const patched: unknown[] = [];
    const client = {
      patch: async (_resource: unknown, _namespace: string, name: string, patch: unknown) => {
        patched.push([name, patch]);
        return { metadata: { name } };
      },
    };
    const deps = { client, pods: { upsertFromWrite: () => {} } };
    const waiting = { ...view, pod: { ...running, seen: running.seen } };
    const outcome = await act(
      deps as unknown as Parameters<typeof act>[0],
      waiting,
      { do: "endStrays" },
      "fast",
    );
    expect(patched).toMatchObject([
      ["r-1-p2", { metadata: { uid: "p2" }, spec: { activeDeadlineSeconds: 1 } }],
    ]);
    expect(outcome.requeue).toEqual(at(second(60)));
  });

  test("is lost when its own pod is gone, once no container runs in the other", async () => {
    const one = clusterWith({ pods: [pod(uid, "p2")], jobs: [job()] });
    const view = await one(executing);
    expect(view.live?.hasPods).toBe(false);
    const ending = { ...view, strays: view.strays?.map((stray) => ({ ...stray, isEnding: true })) };
    expect(decide(ending)).toEqual(at(second(8)));
    const over = await clusterWith({ pods: [pod(uid, "p2", "Succeeded")], jobs: [job()] })(executing);
    expect(decide(over)).toMatchObject({ event: { end: { reason: "PodDeleted" } } });
  });

  test("is canceled once no container runs in either", async () => {
    const ended = { ...running, seen: { state: "ended", end: { exitCode: 0 } } } as PodView;
    const stray: PodView = { ...running, ref: { ...podRef, podUid: "p2" }, isEnding: true };
    const waits = decide(viewOf(stopping, 5, { pod: ended, strays: [stray] }));
    expect(waits).toEqual(at(second(60)));
    const lastResort = decide(viewOf(stopping, 60, { pod: ended, strays: [stray] }));
    expect(lastResort).toMatchObject({ do: "deleteJob" });
    const over = decide(viewOf(stopping, 5, { pod: ended, strays: [{ ...stray, seen: ended.seen }] }));
    expect(over).toMatchObject({ event: { type: "ContainerGone" } });
  });

  test("before its status names one, has the oldest that is not being deleted", async () => {
    const first = pod(uid, "p1");
    first.metadata = { ...first.metadata, deletionTimestamp: new Date(second(2)) };
    const view = await clusterWith({
      pods: [first, pod(uid, "p3", "Running", 2), pod(uid, "p2", "Running", 1)],
    })(starting);
    expect(view.pod?.ref.podUid).toBe("p2");
  });
});
