import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import type { TaskRun } from "../../../model/resources.ts";
import { ended, newRun, play } from "../../../model/run/testEvents.ts";
import { executing, job, second, starting, stopping } from "./testViews.ts";
import { loadAttempt, type ViewDeps } from "./view.ts";

const pod: V1Pod = {
  metadata: { name: "r-1-x", uid: "p1" },
  spec: { containers: [], nodeName: "node-1" },
};
const unscheduled: V1Pod = { metadata: pod.metadata, spec: { containers: [] } };
const scheduled = {
  ...{ type: "PodScheduled", status: "False", reason: "Unschedulable" },
  message:
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
};
const tooLarge: V1Pod = { ...unscheduled, status: { phase: "Pending", conditions: [scheduled] } };
const deleted: V1Pod = {
  metadata: { ...pod.metadata, deletionTimestamp: new Date(second(9)) },
  ...{ spec: pod.spec, status: { phase: "Failed" } },
};
const complete: V1Job = {
  ...job(),
  status: { conditions: [{ type: "Complete", status: "True" }] },
};
const completed = play(executing, ended(1, "Completed"));
const captured = play(completed, { type: "Captured", attempt: 1 });
const fromContainer = (run: TaskRun): TaskRun => ({
  ...run,
  spec: newRun({ container: { image: "i" } }).spec,
});

/** Caches with these objects, and an API server that has this Job at most and records what it is asked. */
function worldWith(cached: { pod?: V1Pod; job?: V1Job }, seconds: number, alive?: V1Job) {
  const reads: string[] = [];
  const deps: ViewDeps = {
    lastTold: { of: () => undefined },
    client: {
      async get(resource, _namespace, name) {
        reads.push(`get ${resource.kind} ${name}`);
        return alive as never;
      },
    },
    livePods: {
      async get(_namespace, uid) {
        reads.push(`pods of ${uid}`);
        return new Set<string>();
      },
    },
    jobProblems: {
      async of(_namespace, job) {
        reads.push(`problems of ${job}`);
        return undefined;
      },
    },
    podProblems: {
      async of(_namespace, uid) {
        reads.push(`problems of ${uid}`);
        return undefined;
      },
    },
    scaleUps: {
      async of(_namespace, uid) {
        reads.push(`scale-up for ${uid}`);
        return undefined;
      },
    },
    pods: { byIndex: () => (cached.pod ? [cached.pod] : []) },
    jobs: { get: () => cached.job },
    versions: { read: async () => undefined },
    config: {
      defaults: { maxDurationSeconds: 60, startTimeoutSeconds: 30 },
      nodeLostAfterSeconds: 60,
      jobRetentionSeconds: 300,
    },
    clock: () => second(seconds),
    random: () => 0,
  };
  return { deps, reads };
}

const getJob = "get Job r-1";
const live = [getJob, "pods of u"];

test.each<
  [title: string, run: TaskRun, seconds: number, cached: { pod?: V1Pod; job?: V1Job }, reads: string[]]
>([
  ["a Job is to be created", starting, 1, {}, []],
  ["a Job has its moment to get a pod", starting, 4, { job: job() }, []],
  ["a Job has no pod for five seconds", starting, 5, { job: job() }, ["problems of j1"]],
  ["the pod is there", executing, 9, { job: job(), pod }, []],
  ["the pod's start takes some seconds", starting, 9, { job: job(), pod }, []],
  ["a pod says nothing for ten seconds", starting, 10, { job: job(), pod }, ["problems of p1"]],
  ["a pod fits no node", starting, 10, { job: job(), pod: tooLarge }, ["scale-up for p1"]],
  ["a pod was deleted", executing, 9, { job: job(), pod: deleted }, [getJob]],
  ["a Job is complete without a pod", starting, 9, { job: complete }, live],
  ["a pod that was seen is missing", executing, 9, { job: job() }, live],
  ["a pod is to be stopped on its node", stopping, 9, { job: job(), pod }, []],
  ["a pod is to be stopped without a node", stopping, 9, { job: job(), pod: unscheduled }, [getJob]],
  ["a Job without a pod is to be stopped and is gone", stopping, 9, {}, live],
  ["a log is to be captured", completed, 9, { job: job(), pod }, []],
  ["a log is to be captured without a pod", completed, 9, { job: job() }, live],
  ["a Job is to be removed", captured, 9, { job: job() }, []],
])(
  "the API server is asked only what the caches cannot answer when %s",
  async (_title, run, seconds, cached, expected) => {
    const { deps, reads } = worldWith(cached, seconds);
    const ofContainer = fromContainer(run);
    const attempt = ofContainer.status?.attempts?.[0];
    if (!attempt) throw new Error("the run has no attempt");
    const view = await loadAttempt(deps, ofContainer, attempt);
    expect(reads).toEqual(expected);
    expect(view.live !== undefined).toBe(expected.includes(getJob));
    expect(view.program !== undefined).toBe(attempt.outcome === undefined);
  },
);

test("a Job that is to be stopped is found by one read, without a list of pods", async () => {
  const { deps, reads } = worldWith({ pod: unscheduled }, 9, job(stopping));
  const ofContainer = fromContainer(stopping);
  const [attempt] = ofContainer.status?.attempts ?? [];
  if (!attempt) throw new Error("the run has no attempt");
  const view = await loadAttempt(deps, ofContainer, attempt);
  expect(reads).toEqual([getJob]);
  expect(view.live?.job).toBeDefined();
});
