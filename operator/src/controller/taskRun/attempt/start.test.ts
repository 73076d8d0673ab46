import { expect, test } from "vitest";
import { at } from "../../../kube/manager/requeue.ts";
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
