import { expect, test } from "vitest";
import { at, done } from "../../../kube/manager/requeue.ts";
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
import type { AttemptView, PodView } from "./view.ts";

const blocked = { reason: "ImagePullBackOff", message: "no such image" };
const blockedPod = podIn({ state: "pending", waiting: "ContainerCreating", blocked });
const pastDeadline = {
  ...job(),
  status: { conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded" }] },
};
const jobWith = (type: string, reason?: string) => ({
  ...job(),
  status: { conditions: [{ type, status: "True", reason }] },
});
const pastTarget = jobWith("FailureTarget", "DeadlineExceeded");
const deletion = { reason: "PodDeleted", message: "the pod was deleted" };
const killed = { exitCode: 137, reason: "Error", message: "", terminationMessage: "" };
const podDeleted = podIn({ state: "ended", end: { ...killed, disruption: deletion } });
const ofContainer = (known: Partial<PodView>, reason = "Error") =>
  podIn({ state: "ended", end: { ...killed, reason }, provisional: true }, known);
const end = (outcome: string, reason: string) => ({
  event: { type: "AttemptEnded", attempt: 1, end: { outcome, reason } },
});

/**
 * A row for each check and its bounds: start timeout after 30 s, maxDuration after 60 s, a lost node after 60
 * s.
 */
const blockedSince = (n: number): TaskRun => ({
  ...starting,
  status: { ...starting.status, reason: "Forbidden", message: "no rights", since: time(n) },
});
const madeAt = (n: number) => ({
  ...job(),
  metadata: { ...job().metadata, creationTimestamp: time(n) as unknown as Date },
});
const waitsFor = (reason: string, message: string, known: Partial<PodView> = {}) =>
  podIn({ state: "pending", waiting: reason, blocked: { reason, message } }, known);

type Row = [title: string, run: TaskRun, seconds: number, known: Partial<AttemptView>, expected: object];
const noName = waitsFor("InvalidImageName", "couldn't parse image name");
const noSecret = waitsFor("CreateContainerConfigError", 'secret "x" not found');
const patient = { ...viewOf(starting, 0).program, startTimeoutSeconds: 300 } as NonNullable<
  AttemptView["program"]
>;
const noNode: PodView["ref"] = { pod: "r-1-x", podUid: "p1" };
const tooLarge = waitsFor(
  "Unschedulable",
  "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
  { ref: noNode },
);
const never = (reason: string, message: RegExp) => ({
  event: { type: "StartTimedOut", attempt: 1, reason, retry: "never", message },
});

/** What can never pass, and what the user has to make possible. */
const impossible: Row[] = [
  [
    "with a name of an image that is none ends at once",
    starting,
    1,
    { pod: noName },
    never("InvalidImageName", /name is none/),
  ],
  [
    "whose Secret is missing waits for it for a minute",
    starting,
    59,
    { pod: noSecret, program: patient },
    { event: { type: "StartBlocked" }, requeue: at(second(60)) },
  ],
  [
    "whose Secret is missing ends after a minute",
    starting,
    60,
    { pod: noSecret, program: patient },
    never("CreateContainerConfigError", /within 60 s.*secret "x" not found/),
  ],
  [
    "that fits no node ends after a minute",
    starting,
    60,
    { pod: tooLarge, program: patient },
    never("Unschedulable", /Insufficient cpu/),
  ],
  [
    "that fits no node waits for one that an autoscaler makes",
    starting,
    60,
    { pod: tooLarge, program: patient, isScalingUp: true },
    { event: { type: "StartBlocked" }, requeue: at(second(300)) },
  ],
  [
    "whose volume is missing is explained by its Events",
    starting,
    20,
    {
      pod: pending,
      program: patient,
      podProblem: { reason: "FailedMount", message: 'configmap "x" not found' },
    },
    { event: { type: "StartBlocked", reason: "FailedMount" } },
  ],
  [
    "whose registry does not answer times out, and it is the infrastructure's",
    starting,
    300,
    { pod: waitsFor("ErrImagePull", "i/o timeout"), program: patient },
    { event: { type: "StartTimedOut", retry: "infrastructure" } },
  ],
  [
    "that a quota refuses by its size ends at once",
    starting,
    6,
    {
      job: job(),
      podProblem: {
        reason: "QuotaExceeded",
        message: "exceeded quota: q, requested: cpu=2, used: cpu=0, limited: cpu=1",
      },
    },
    never("QuotaExceeded", /allows less/),
  ],
];

const rows: [title: string, run: TaskRun, seconds: number, known: Partial<AttemptView>, expected: object][] =
  [
    [
      "fails before it runs when the stored version was deleted",
      starting,
      1,
      { program: undefined },
      end("Failed", "VersionNotFound"),
    ],
    [
      "goes on without the stored version while it runs",
      executing,
      9,
      { program: undefined, pod: running },
      done,
    ],
    [
      "ends without the stored version as its container did",
      executing,
      9,
      { program: undefined, pod: containerEnded },
      { do: "readResult" },
    ],

    ["creates the Job when there is none", starting, 1, {}, { do: "createJob", requeue: at(second(30)) }],
    [
      "creates the Job however late, without one nothing has timed out",
      starting,
      999,
      {},
      { do: "createJob" },
    ],
    [
      "whose Job is refused for as long as the start timeout times out",
      blockedSince(10),
      40,
      {},
      { event: { type: "StartTimedOut", reason: "Forbidden", message: /no rights/ } },
    ],
    ["whose Job is refused may start until then", blockedSince(10), 39, {}, { do: "createJob" }],
    [
      "has its start timeout counted from its Job",
      starting,
      39,
      { job: madeAt(10), pod: pending },
      at(second(40)),
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
      {
        event: { type: "StartTimedOut", reason: "QuotaExceeded", message: /^exceeded quota/, retry: "room" },
      },
    ],

    ["asks after ten seconds what a pod waits for", starting, 1, { pod: pending }, at(second(10))],
    ["waits for a pending pod until the start timeout", starting, 11, { pod: pending }, at(second(30))],
    ...impossible,
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
      "is completed when its Job is, and its pod is gone",
      executing,
      9,
      { live: { job: jobWith("Complete"), hasPods: false } },
      { do: "readLostResult" },
    ],
    [
      "is completed when its Job is, and its pod was never seen",
      starting,
      9,
      { job: jobWith("Complete"), live: { job: jobWith("Complete"), hasPods: false } },
      { do: "readLostResult" },
    ],
    [
      "waits for room when its Job was suspended",
      executing,
      9,
      { live: { job: jobWith("Suspended"), hasPods: false } },
      end("Infrastructure", "JobSuspended"),
    ],
    [
      "has timed out when its Job's deadline deleted its pod",
      executing,
      9,
      { pod: podDeleted, live: { job: pastTarget, hasPods: true } },
      end("TimedOut", "DeadlineExceeded"),
    ],
    ["reads the result of a pod that was deleted", executing, 9, { pod: podDeleted }, { do: "readResult" }],
    [
      "waits for the pod's word after its container's",
      executing,
      9,
      { pod: ofContainer({ seenAt: second(6) }) },
      at(second(11)),
    ],
    [
      "is judged without the pod's word after five seconds",
      executing,
      11,
      { pod: ofContainer({ seenAt: second(6) }) },
      { do: "readResult" },
    ],
    [
      "waits for no word when memory was the reason",
      executing,
      7,
      { pod: ofContainer({ seenAt: second(6) }, "OOMKilled") },
      { do: "readResult" },
    ],
    [
      "is lost when its pod was to end long ago, whatever deleted it",
      executing,
      70,
      {
        pod: {
          ...running,
          object: { ...running.object, metadata: { deletionTimestamp: time(10) as unknown as Date } },
        },
      },
      end("Infrastructure", "NodeLost"),
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
