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
const completed = play(executing, ended(1, "Completed"));
const captured = play(completed, { type: "Captured", attempt: 1 });
const fromContainer = (run: TaskRun): TaskRun => ({
  ...run,
  spec: newRun({ container: { image: "i" } }).spec,
});

/** Caches with these objects, and an API server that has none and records what it is asked. */
function worldWith(cached: { pod?: V1Pod; job?: V1Job }, seconds: number) {
  const reads: string[] = [];
  const deps: ViewDeps = {
    client: {
      async get(resource, _namespace, name) {
        reads.push(`get ${resource.kind} ${name}`);
        return undefined;
      },
      async list(resource) {
        reads.push(`list ${resource.kind}`);
        return { items: [], metadata: {} };
      },
    },
    pods: { byIndex: () => (cached.pod ? [cached.pod] : []) },
    jobs: { get: () => cached.job },
    tasks: { byIndex: () => [] },
    versions: { get: async () => undefined },
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

const live = ["get Job r-1", "list Pod"];

test.each<
  [title: string, run: TaskRun, seconds: number, cached: { pod?: V1Pod; job?: V1Job }, reads: string[]]
>([
  ["a Job is to be created", starting, 1, {}, []],
  ["a Job has its moment to get a pod", starting, 4, { job: job() }, []],
  ["a Job has no pod for five seconds", starting, 5, { job: job() }, ["list Event"]],
  ["the pod is there", executing, 9, { job: job(), pod }, []],
  ["a pod that was seen is missing", executing, 9, { job: job() }, live],
  ["a pod is to be stopped on its node", stopping, 9, { job: job(), pod }, []],
  ["a pod is to be stopped without a node", stopping, 9, { job: job(), pod: unscheduled }, live],
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
    expect(view.live !== undefined).toBe(expected === live);
    expect(view.program !== undefined).toBe(attempt.outcome === undefined);
  },
);
