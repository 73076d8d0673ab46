import { expect, test } from "vitest";
import { at } from "../../../kube/manager/requeue.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { play } from "../../../model/run/testEvents.ts";
import { decide } from "./decide.ts";
import { isTold } from "./start.ts";
import { job, podIn, second, starting, viewOf } from "./testViews.ts";
import type { AttemptView, PodView } from "./view.ts";

const nodes = (all: number, cpu: number): string =>
  `0/${all} nodes are available: ${cpu} Insufficient cpu. preemption: 0/${all} nodes are available.`;

test.each<[title: string, told: [string, string], now: [string, string], isSame: boolean]>([
  ["a number of nodes", ["Unschedulable", nodes(3, 2)], ["Unschedulable", nodes(14, 11)], true],
  [
    "what nodes lack",
    ["Unschedulable", nodes(3, 2)],
    ["Unschedulable", "0/3 nodes are available: 3 Insufficient memory."],
    false,
  ],
  ["the backoff of a failed pull", ["ErrImagePull", "not found"], ["ImagePullBackOff", "Back-off"], true],
  ["the cause of a backoff", ["ImagePullBackOff", "Back-off"], ["ErrImagePull", "not found"], false],
  ["a reason", ["Admitted", "x"], ["Unschedulable", "x"], false],
  ["a long message", ["FailedMount", `${"x".repeat(1021)}...`], ["FailedMount", "x".repeat(3000)], true],
])("a change of %s is written to the status unless it says nothing new", (_title, told, now, isSame) => {
  const status = { reason: told[0], message: told[1] };
  expect(isTold(status, { reason: now[0], message: now[1] })).toBe(isSame);
});

const noNode: PodView["ref"] = { pod: "r-1-x", podUid: "p1" };
const waitsFor = (reason: string, message: string, known: Partial<PodView>) =>
  podIn({ state: "pending", waiting: reason, blocked: { reason, message } }, known);
const patient = { ...viewOf(starting, 0).program, startTimeoutSeconds: 300 } as NonNullable<
  AttemptView["program"]
>;
const noRoom = waitsFor(
  "Unschedulable",
  "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
  { ref: noNode },
);
const gated = waitsFor("SchedulingGated", "Scheduling is blocked", { ref: noNode });
const givesBack = { event: { type: "StartTimedOut", attempt: 1, retry: "room" } };
const quota = { reason: "QuotaExceeded", message: "exceeded quota: q" };

/** What waits for room gives its slot back, and waits in its queue. */
const room: [title: string, seconds: number, known: Partial<AttemptView>, expected: object][] = [
  [
    "for which no node has room keeps its slot for half a minute",
    29,
    { pod: noRoom, program: patient },
    { event: { type: "StartBlocked", reason: "Unschedulable" }, requeue: at(second(30)) },
  ],
  ["for which no node has room gives its slot back", 30, { pod: noRoom, program: patient }, givesBack],
  [
    "for which an autoscaler makes room keeps its slot",
    30,
    { pod: noRoom, program: patient, isScalingUp: true },
    { event: { type: "StartBlocked" }, requeue: at(second(300)) },
  ],
  [
    "for which an autoscaler made no room in time gives its slot back",
    300,
    { pod: noRoom, program: patient, isScalingUp: true },
    givesBack,
  ],
  [
    "that another admission holds back keeps its slot",
    30,
    { pod: gated, program: patient },
    { event: { type: "StartBlocked" }, requeue: at(second(300)) },
  ],
  [
    "for which a quota has no room gives its slot back",
    30,
    { job: job(), podProblem: quota, program: patient },
    givesBack,
  ],
];

test.each(room)("an attempt %s", (_title, seconds, known, expected) => {
  expect(decide(viewOf(starting, seconds, known))).toMatchObject(expected);
});

const says = (reason: string, message: string): TaskRun =>
  play(starting, { type: "StartBlocked", attempt: 1, reason, message });

test("the start timeout does not count while admission is closed and there is no Job", () => {
  const closed = says("AdmissionClosed", "Redis does not answer.");
  expect(decide(viewOf(closed, 10_000))).toMatchObject({ do: "createJob" });
  // Its Job was created since, and starts to count then.
  const pod = podIn({ state: "pending", waiting: "ContainerCreating" });
  expect(decide(viewOf(closed, 1, { job: job(), pod }))).toMatchObject({
    event: { type: "StartBlocked", reason: "Admitted" },
  });
  expect(decide(viewOf(closed, 10_000, { job: job(), pod }))).toMatchObject({
    event: { type: "StartTimedOut", reason: "StartTimeout" },
  });
});

test.each<[string, string, string, number, object]>([
  ["a quota without room", "QuotaExceeded", "exceeded quota: q", 30, { retry: "room" }],
  [
    "a quota that is too small",
    "QuotaExceeded",
    "exceeded quota: q, requested: cpu=2, used: cpu=0, limited: cpu=1",
    1,
    { retry: "never" },
  ],
  [
    "a missing right",
    "Forbidden",
    'User "c" cannot create resource "jobs"',
    300,
    { retry: "infrastructure" },
  ],
])("%s that refuses the Job itself is no failure of the task", (_what, reason, message, due, expected) => {
  const run = says(reason, message);
  expect(decide(viewOf(run, due - 1, { program: patient }))).not.toMatchObject({
    event: { type: "StartTimedOut", retry: "policy" },
  });
  expect(decide(viewOf(run, due, { program: patient }))).toMatchObject({
    event: { type: "StartTimedOut", ...expected },
  });
});

test("what blocks a start is written at once, and other words for it seldom", () => {
  const blocked = (reason: string, message: string) => waitsFor(reason, message, { ref: noNode });
  const told = says("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.");
  const other = blocked("Unschedulable", "0/3 nodes are available: 3 Insufficient memory.");
  const look = (seconds: number, pod: PodView, toldAt?: number) =>
    decide(viewOf(told, seconds, { pod, program: patient, isScalingUp: true, toldAt }));
  expect(look(2, other)).toMatchObject({ event: { type: "StartBlocked" } });
  expect(look(2, other, second(1))).toEqual(at(second(31)));
  expect(look(31, other, second(1))).toMatchObject({ event: { type: "StartBlocked" } });
  expect(look(2, blocked("SchedulerError", "x"), second(1))).toEqual(at(second(11)));
  expect(look(11, blocked("SchedulerError", "x"), second(1))).toMatchObject({
    event: { type: "StartBlocked", reason: "SchedulerError" },
  });
});

test("a blockage that changes its words each second is written twice in its first minute", () => {
  let [run, writes, toldAt] = [starting, 0, undefined as number | undefined];
  for (let seconds = 1; seconds <= 60; seconds++) {
    const pod = waitsFor("Unschedulable", `0/3 nodes: ${"x".repeat(seconds)}`, { ref: noNode });
    const decision = decide(viewOf(run, seconds, { pod, program: patient, isScalingUp: true, toldAt }));
    if (!("event" in decision)) continue;
    writes++;
    run = play(run, decision.event);
    toldAt = second(seconds);
  }
  expect(writes).toBe(2);
});

test("a registry that does not answer gets the slot back after a minute, and the kubelet's backoff does not hide why", () => {
  const pull = (reason: string, message: string) =>
    waitsFor(reason, message, { ref: { ...noNode, node: "a" } });
  const slow = pull("ErrImagePull", "dial tcp 1.2.3.4:443: i/o timeout");
  const look = (run: TaskRun, seconds: number, pod: PodView) =>
    decide(viewOf(run, seconds, { job: job(), pod, program: patient }));
  expect(look(starting, 59, slow)).toMatchObject({
    event: { type: "StartBlocked", reason: "ErrImagePull" },
    requeue: at(second(60)),
  });
  expect(look(starting, 60, slow)).toMatchObject({
    event: { type: "StartTimedOut", reason: "ErrImagePull", retry: "infrastructure" },
  });
  const missing = says("ErrImagePull", "manifest unknown");
  expect(look(missing, 60, pull("ImagePullBackOff", 'Back-off pulling image "x"'))).toMatchObject({
    event: { type: "StartTimedOut", reason: "ErrImagePull", retry: "never" },
  });
});
