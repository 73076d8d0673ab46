/**
 * Starting, Executing and Waiting: the attempt gets its Job, and what its pod shows becomes events.
 *
 * A pod counts as missing only when it was seen (its uid is in status) and a live read confirms that it is
 * gone. A missing Job of an attempt that never ran is created again: its name is the same, so there is still
 * only one.
 */

import { isConclusive } from "../../../jobs/attemptEnd.ts";
import { type JobVerdict, verdictOf } from "../../../jobs/jobVerdict.ts";
import { at, done, earliest } from "../../../kube/manager/requeue.ts";
import type { AttemptEnd } from "../../../model/run/event.ts";
import { activeMsOf } from "../../../model/run/wait.ts";
import { type Check, firstDecision } from "../decision.ts";
import { deadlineLook, deadlineShort } from "./deadline.ts";
import { endAttempt, failed, lostTo, nodeLostDue, silentDue, timedOut } from "./ends.ts";
import {
  type Followed,
  jobMissing,
  nextLook,
  noRoom,
  podExpected,
  startBlocked,
  startDelayed,
  startImpossible,
  startTimedOut,
} from "./start.ts";
import { type AttemptAction, type AttemptDecision, type AttemptView, recheckMs, strayRuns } from "./view.ts";

/** From the end of the container to the pod's: 100 ms as a rule. */
const verdictMs = 5_000;

/** What an attempt under way needs now. */
export function follow(view: AttemptView): AttemptDecision {
  return hasProgram(view) ? (firstDecision(checks, view) ?? done) : followUnknown(view);
}

/** Without the version that says how: what runs may end. */
function followUnknown(view: AttemptView): AttemptDecision {
  const known = firstDecision(checksOfUnknown, view);
  return known ?? (view.pod ? done : versionDeleted(view));
}

const hasProgram = (view: AttemptView): view is Followed => view.program !== undefined;

function versionDeleted(view: AttemptView): AttemptDecision {
  const { run, attempt } = view;
  const { version, controllerRevision } = run.status ?? {};
  const message = `ControllerRevision ${controllerRevision} was deleted before attempt ${attempt.number} started: it held version ${version} of Task ${run.spec.task}, which this run executes.`;
  return endAttempt(view, failed("VersionNotFound", message));
}

/**
 * The kubelet sends the end of a container first, and a moment later whether it took the pod away. It is
 * waited for, but not for ever: another container of the pod may run on.
 */
function verdictExpected({ attempt, pod, now }: AttemptView): AttemptDecision | undefined {
  if (pod?.seen.state !== "ended" || !pod.seen.provisional) return undefined;
  if (isConclusive(pod.seen.end, attempt.number, pod.ref.podUid)) return undefined;
  const due = (pod.seenAt ?? Number.NEGATIVE_INFINITY) + verdictMs;
  return now < due ? at(due) : undefined;
}

/** A pod was deleted, and its Job says why. */
function jobEnded(view: AttemptView): AttemptDecision | undefined {
  const { pod, live, job } = view;
  if (pod?.seen.state !== "ended" || pod.seen.end.disruption?.reason !== "PodDeleted") return undefined;
  const end = endOfJob(view, verdictOf(live?.job ?? job));
  return end && endAttempt(view, end, pod.ref);
}

function endOfJob({ run }: AttemptView, verdict: JobVerdict | undefined): AttemptEnd | undefined {
  if (verdict === "deadline" && run.status?.phase === "Waiting") {
    const message = "The Job ran into its deadline during a wait: no controller was there to extend it.";
    return lostTo("DeadlineExceeded", message);
  }
  if (verdict === "deadline") {
    const message = "The attempt ran into the deadline of its Job while no controller was there to stop it.";
    return timedOut("DeadlineExceeded", message);
  }
  if (verdict !== "suspended") return undefined;
  return lostTo("JobSuspended", "The Job was suspended, by Kueue or by hand; its pod was deleted.");
}

function containerEnded({ pod }: AttemptView): AttemptDecision | undefined {
  return pod?.seen.state === "ended" ? { do: "readResult" } : undefined;
}

/** The attempt ends once its node has been silent for longer than the run may wait for it. */
function nodeLost(view: AttemptView): AttemptDecision | undefined {
  const { pod, now } = view;
  if (pod?.seen.state !== "lost") return undefined;
  const due = nodeLostDue(view, pod.seen.since);
  return now < due ? at(due) : givenUp(view);
}

/** The pod was to end long ago. */
const nodeSilent = (view: AttemptView): AttemptDecision | undefined =>
  view.now >= silentDue(view) ? givenUp(view) : undefined;

function givenUp(view: AttemptView): AttemptDecision {
  const message = `Node ${view.pod?.ref.node} does not answer; the attempt is given up.`;
  return endAttempt(view, lostTo("NodeLost", message), view.pod?.ref);
}

/** What the Job says counts; a Job that is complete is not run again, whatever became of its pod. */
function podDeleted(view: AttemptView): AttemptDecision | undefined {
  const { attempt, pod, job, live, now } = view;
  if (pod || (attempt.podUid === undefined && !verdictOf(job))) return undefined;
  if (!live || live.hasPods || strayRuns(view)) return at(now + recheckMs);
  const verdict = verdictOf(live.job);
  if (verdict === "completed") return { do: "readLostResult" };
  const end = endOfJob(view, verdict);
  if (end) return endAttempt(view, end);
  const message = `The pod${attempt.pod ? ` ${attempt.pod}` : ""} was deleted while the attempt ran.`;
  return endAttempt(view, lostTo("PodDeleted", message));
}

function containerStarted({ run, attempt, pod }: AttemptView): AttemptDecision | undefined {
  if (pod?.seen.state !== "running" || run.status?.phase !== "Starting") return undefined;
  return { event: { type: "Started", attempt: attempt.number, at: pod.seen.startedAt, ...pod.ref } };
}

/**
 * Counts from when the start was observed: a node's clock may be behind, and would end the attempt early.
 * Waits do not count.
 */
function maxDurationElapsed(view: Followed): AttemptDecision | undefined {
  const { run, attempt, pod, program, now } = view;
  if (pod?.seen.state !== "running") return undefined;
  const look = earliest(at(silentDue(view)), at(deadlineLook(view)));
  if (run.status?.phase === "Waiting") return look;
  const seconds = program.maxDurationSeconds;
  const due = now + seconds * 1000 - activeMsOf(attempt, now);
  if (now < due) return earliest(at(due), look);
  return { event: { type: "MaxDurationElapsed", attempt: attempt.number, seconds } };
}

const checksOfUnknown: readonly Check<AttemptView, AttemptAction>[] = [
  verdictExpected,
  jobEnded,
  containerEnded,
  nodeLost,
  podDeleted,
  containerStarted,
];

const checks: readonly Check<Followed, AttemptAction>[] = [
  verdictExpected,
  jobEnded,
  containerEnded,
  nodeLost,
  nodeSilent,
  podDeleted,
  containerStarted,
  deadlineShort,
  maxDurationElapsed,
  podExpected,
  startImpossible,
  startDelayed,
  noRoom,
  startTimedOut,
  jobMissing,
  startBlocked,
  nextLook,
];
