import { expect, test } from "vitest";
import { at } from "../../../kube/manager/requeue.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { decide } from "./decide.ts";
import {
  containerEnded,
  executing,
  job,
  lost,
  pending,
  podIn,
  podRef,
  running,
  second,
  starting,
  time,
  viewOf,
} from "./testViews.ts";
import type { AttemptView } from "./view.ts";

const blocked = { reason: "ImagePullBackOff", message: "no such image" };
const blockedPod = podIn({ state: "pending", waiting: "ContainerCreating", blocked });
const pastDeadline = {
  ...job(),
  status: { conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded" }] },
};
const end = (outcome: string, reason: string) => ({
  event: { type: "AttemptEnded", attempt: 1, end: { outcome, reason } },
});

/**
 * A row for each check and its bounds: start timeout after 30 s, maxDuration after 60 s, a lost node after 60
 * s.
 */
const rows: [title: string, run: TaskRun, seconds: number, known: Partial<AttemptView>, expected: object][] =
  [
    ["fails when its Task was deleted", starting, 1, { program: undefined }, end("Failed", "TaskNotFound")],

    ["creates the Job when there is none", starting, 1, {}, { do: "createJob", requeue: at(second(30)) }],
    [
      "creates no Job after the start timeout",
      starting,
      30,
      {},
      { event: { type: "StartTimedOut", reason: "StartTimeout", message: /There is no pod/ } },
    ],

    ["gives a Job five seconds for its pod", starting, 1, { job: job() }, at(second(5))],
    ["asks again for a pod that does not come", starting, 6, { job: job() }, at(second(11))],
    ["asks for a pod until the start timeout at the latest", starting, 28, { job: job() }, at(second(30))],
    [
      "records why a Job gets no pod, and asks again",
      starting,
      6,
      { job: job(), podProblem: { reason: "QuotaExceeded", message: "exceeded quota" } },
      { event: { type: "StartBlocked", attempt: 1, reason: "QuotaExceeded" }, requeue: at(second(11)) },
    ],
    [
      "times out with the reason why the Job got no pod",
      starting,
      30,
      { job: job(), podProblem: { reason: "QuotaExceeded", message: "exceeded quota" } },
      { event: { type: "StartTimedOut", reason: "QuotaExceeded", message: /30 s\. exceeded quota/ } },
    ],

    ["waits for a pending pod until the start timeout", starting, 1, { pod: pending }, at(second(30))],
    [
      "records what blocks a pending pod",
      starting,
      1,
      { pod: blockedPod },
      { event: { type: "StartBlocked", ...blocked }, requeue: at(second(30)) },
    ],
    [
      "times out with what blocks the pod",
      starting,
      30,
      { pod: blockedPod },
      { event: { type: "StartTimedOut", attempt: 1, reason: "ImagePullBackOff", message: /no such image/ } },
    ],
    [
      "times out with what the pod waits for when nothing blocks it",
      starting,
      30,
      { pod: pending },
      { event: { type: "StartTimedOut", reason: "StartTimeout", message: /it is ContainerCreating/ } },
    ],
    [
      "times out with the reason that was recorded earlier when the pod gives none now",
      { ...starting, status: { ...starting.status, reason: "Unschedulable", message: "No node." } },
      30,
      { pod: pending },
      { event: { type: "StartTimedOut", reason: "Unschedulable", message: /No node\./ } },
    ],

    [
      "starts when its container runs",
      starting,
      2,
      { pod: running },
      { event: { type: "Started", attempt: 1, at: time(1), ...podRef } },
    ],
    ["may execute for maxDuration", executing, 59, { pod: running }, at(second(60))],
    [
      "is stopped after maxDuration",
      executing,
      60,
      { pod: running },
      { event: { type: "MaxDurationElapsed", attempt: 1, seconds: 60 } },
    ],

    [
      "reads the result of a container that ended",
      executing,
      9,
      { pod: containerEnded },
      { do: "readResult" },
    ],
    [
      "reads the result of a container that was never seen running",
      starting,
      9,
      { pod: containerEnded },
      { do: "readResult" },
    ],

    ["waits for a node that is silent", executing, 69, { pod: lost }, at(second(70))],
    [
      "is lost with its node",
      executing,
      70,
      { pod: lost },
      { event: { type: "AttemptEnded", end: { outcome: "Infrastructure", reason: "NodeLost" }, ...podRef } },
    ],

    [
      "looks again for a pod that only the cache misses",
      executing,
      9,
      { job: job(), live: { job: job(), hasPods: true } },
      at(second(14)),
    ],
    [
      "is lost with its pod",
      executing,
      9,
      { job: job(), live: { job: job(), hasPods: false } },
      end("Infrastructure", "PodDeleted"),
    ],
    [
      "is lost with its pod and its Job, and is not created again",
      executing,
      9,
      { live: { hasPods: false } },
      end("Infrastructure", "PodDeleted"),
    ],
    [
      "has timed out when its Job ran into its deadline",
      executing,
      9,
      { live: { job: pastDeadline, hasPods: false } },
      end("TimedOut", "DeadlineExceeded"),
    ],
  ];

test.each(rows)("an attempt %s", (_title, run, seconds, known, expected) => {
  expect(decide(viewOf(run, seconds, known))).toMatchObject(matching(expected));
});

/** Regular expressions in the expectation match strings. */
function matching(expected: object): object {
  return Object.fromEntries(
    Object.entries(expected).map(([key, value]) => {
      if (value instanceof RegExp) return [key, expect.stringMatching(value)];
      return [key, typeof value === "object" && value !== null ? matching(value) : value];
    }),
  );
}
