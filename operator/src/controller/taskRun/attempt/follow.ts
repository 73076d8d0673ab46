/**
 * Starting and Executing: the attempt gets its Job, and what its pod shows becomes events.
 *
 * A pod counts as missing only when it was seen (its uid is in status) and a live read confirms that it is
 * gone. A missing Job of an attempt that never ran is created again: its name is the same, so there is still
 * only one.
 */

import type { Program } from "../../../jobs/program.ts";
import { at, done, earliest, type Requeue } from "../../../kube/manager/requeue.ts";
import { type Check, firstDecision } from "../decision.ts";
import { endAttempt, failed, lostTo, nodeLostDue, timedOut } from "./ends.ts";
import {
  type AttemptAction,
  type AttemptDecision,
  type AttemptView,
  type PodView,
  type Problem,
  podDue,
  recheckMs,
} from "./view.ts";

type Followed = AttemptView & { program: Program };

/** What an attempt under way needs now. */
export function follow(view: AttemptView): AttemptDecision {
  return hasProgram(view) ? (firstDecision(checks, view) ?? done) : taskDeleted(view);
}

const hasProgram = (view: AttemptView): view is Followed => view.program !== undefined;

function taskDeleted(view: AttemptView): AttemptDecision {
  const { run, attempt } = view;
  const message = `Task ${run.spec.task} was deleted before attempt ${attempt.number} started.`;
  return endAttempt(view, failed("TaskNotFound", message));
}

function containerEnded({ pod }: AttemptView): AttemptDecision | undefined {
  return pod?.seen.state === "ended" ? { do: "readResult" } : undefined;
}

/** The attempt ends once its node has been silent for longer than the run may wait for it. */
function nodeLost(view: AttemptView): AttemptDecision | undefined {
  const { pod, now } = view;
  if (pod?.seen.state !== "lost") return undefined;
  const due = nodeLostDue(view, pod.seen.since);
  if (now < due) return at(due);
  const message = `Node ${pod.ref.node} does not answer; the attempt is given up.`;
  return endAttempt(view, lostTo("NodeLost", message), pod.ref);
}

function podDeleted(view: AttemptView): AttemptDecision | undefined {
  const { attempt, pod, live, now } = view;
  if (pod || attempt.podUid === undefined) return undefined;
  if (!live || live.hasPods) return at(now + recheckMs);
  const isPastDeadline = live.job?.status?.conditions?.some(
    ({ type, reason }) => type === "Failed" && reason === "DeadlineExceeded",
  );
  if (isPastDeadline) {
    const message = "The attempt ran into the deadline of its Job while no controller was there to stop it.";
    return endAttempt(view, timedOut("DeadlineExceeded", message));
  }
  const message = `The pod${attempt.pod ? ` ${attempt.pod}` : ""} was deleted while the attempt ran.`;
  return endAttempt(view, lostTo("PodDeleted", message));
}

function containerStarted({ run, attempt, pod }: AttemptView): AttemptDecision | undefined {
  if (pod?.seen.state !== "running" || run.status?.phase !== "Starting") return undefined;
  return { event: { type: "Started", attempt: attempt.number, at: pod.seen.startedAt, ...pod.ref } };
}

function maxDurationElapsed({ attempt, pod, program, now }: Followed): AttemptDecision | undefined {
  if (pod?.seen.state !== "running") return undefined;
  const seconds = program.maxDurationSeconds;
  const due = Date.parse(attempt.startedAt ?? attempt.admittedAt) + seconds * 1000;
  if (now < due) return at(due);
  return { event: { type: "MaxDurationElapsed", attempt: attempt.number, seconds } };
}

/** A Job needs a moment to get its pod. */
function podExpected({ attempt, pod, job, now }: AttemptView): AttemptDecision | undefined {
  const due = podDue(attempt);
  return !pod && job && now < due ? at(due) : undefined;
}

function startTimedOut(view: Followed): AttemptDecision | undefined {
  const { run, attempt, pod, program, now } = view;
  if (now < startDue(view)) return undefined;
  const earlier = run.status?.reason === "Admitted" ? undefined : run.status;
  const blocked = problemOf(view);
  const reason = blocked?.reason ?? earlier?.reason ?? "StartTimeout";
  const why = blocked?.message ?? earlier?.message ?? unexplained(pod);
  const message = `Not started within startTimeoutSeconds, ${program.startTimeoutSeconds} s. ${why}`;
  return { event: { type: "StartTimedOut", attempt: attempt.number, reason, message } };
}

function jobMissing(view: Followed): AttemptDecision | undefined {
  if (view.pod || view.job) return undefined;
  return { do: "createJob", requeue: at(startDue(view)) };
}

function startBlocked(view: Followed): AttemptDecision | undefined {
  const blocked = problemOf(view);
  if (!blocked) return undefined;
  return {
    event: { type: "StartBlocked", attempt: view.attempt.number, ...blocked },
    requeue: nextLook(view),
  };
}

const startDue = ({ attempt, program }: Followed): number =>
  Date.parse(attempt.admittedAt) + program.startTimeoutSeconds * 1000;

/** A pod's change brings the run back; Events of a Job without a pod are asked for again. */
function nextLook(view: Followed): Requeue {
  const timeout = at(startDue(view));
  return view.pod ? timeout : earliest(timeout, at(view.now + recheckMs));
}

const problemOf = ({ pod, podProblem }: AttemptView): Problem | undefined =>
  pod?.seen.state === "pending" ? pod.seen.blocked : podProblem;

const unexplained = (pod: PodView | undefined): string =>
  pod?.seen.state === "pending"
    ? `The pod gives no reason; it is ${pod.seen.waiting}.`
    : "There is no pod, and no reason for that is known.";

const checks: readonly Check<Followed, AttemptAction>[] = [
  containerEnded,
  nodeLost,
  podDeleted,
  containerStarted,
  maxDurationElapsed,
  podExpected,
  startTimedOut,
  jobMissing,
  startBlocked,
  nextLook,
];
