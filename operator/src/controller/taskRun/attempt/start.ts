/**
 * The start of an attempt: what blocks it, how long that is waited for, and what follows. Pure.
 *
 *   can never pass (an image name that is none, a quota that is too small) ─► ends at once, for good
 *   the user has to act (no such image, no such Secret)                    ─► ends after a minute, for good
 *   may pass by itself (a registry that does not answer)                   ─► tries again, after a minute or
 *                                                                              startTimeoutSeconds
 *   there is no room (full nodes, a quota that is used up)                 ─► back to its queue after half a
 *                                                                              minute; no attempt is spent
 *
 * startTimeoutSeconds counts from the Job: without one nothing was started, and nothing times out but a
 * refusal of the Job itself.
 */
import { type EndRow, explain } from "../../../jobs/endRow.ts";
import { startRowOf } from "../../../jobs/podStart.ts";
import type { Program } from "../../../jobs/program.ts";
import { at, earliest, type Requeue } from "../../../kube/manager/requeue.ts";
import type { TaskRunStatus } from "../../../model/resources.ts";
import type { StartRetry } from "../../../model/run/event.ts";
import { cut } from "../../../model/run/settle.ts";
import { slotTaken } from "../../../model/run/transition.ts";
import type { Problem } from "./eventProblems.ts";
import { createdAt, onNodeSince } from "./times.ts";
import {
  type AttemptDecision,
  type AttemptView,
  eventsDue,
  isOnNode,
  type PodView,
  podDue,
  recheckMs,
} from "./view.ts";

export type Followed = AttemptView & { program: Program };

/** How long the user has to make what is missing. */
const minuteMs = 60_000;
/** How often the Events of a pod that gives no reason are read. */
const eventsMs = 30_000;

const retries: Partial<Record<EndRow["verdict"], StartRetry>> = {
  never: "never",
  again: "infrastructure",
  room: "room",
};

/** How long a pod without a node may keep its slot from others, unless an autoscaler makes room for it. */
const roomPatienceMs = 30_000;

/** A Job needs a moment to get its pod. */
export function podExpected(view: AttemptView): AttemptDecision | undefined {
  const { pod, job, now } = view;
  const due = podDue(view);
  return !pod && job && now < due ? at(due) : undefined;
}

/** What can never pass is not waited for. */
export function startImpossible(view: Followed): AttemptDecision | undefined {
  const problem = problemOf(view);
  if (!problem || view.now < endDue(view, problem)) return undefined;
  const row = rowOf(view, problem);
  const text = explain(row, problem);
  const message =
    row.patience === "none"
      ? text
      : `Not started within ${minuteMs / 1000} s, and what is missing was not made meanwhile. ${text}`;
  return timedOut(view, problem.reason, message, "never");
}

/** What passes by itself, but not soon, is waited for without the slot. */
export function startDelayed(view: Followed): AttemptDecision | undefined {
  const problem = problemOf(view);
  if (!problem || view.now < delayDue(view, problem)) return undefined;
  const message = `Not started within ${minuteMs / 1000} s. ${explain(rowOf(view, problem), problem)}`;
  return timedOut(view, problem.reason, message, "infrastructure");
}

/** Waiting for room is waiting, not failing: it is done in the queue. */
export function noRoom(view: Followed): AttemptDecision | undefined {
  const problem = problemOf(view);
  if (!problem || view.now < roomDue(view, problem)) return undefined;
  return timedOut(view, problem.reason, explain(rowOf(view, problem), problem), "room");
}

export function startTimedOut(view: Followed): AttemptDecision | undefined {
  const { run, pod, program, now } = view;
  if (now < startDue(view)) return undefined;
  const earlier = isJustAdmitted(run.status?.reason) ? undefined : run.status;
  const problem = problemOf(view);
  const row = problem && rowOf(view, problem);
  const reason = problem?.reason ?? earlier?.reason ?? "StartTimeout";
  const why = row ? explain(row, problem) : (earlier?.message ?? unexplained(pod));
  const told =
    row?.verdict === "room"
      ? ""
      : `Not started within startTimeoutSeconds, ${program.startTimeoutSeconds} s. `;
  return timedOut(view, reason, `${told}${why}`, row && retries[row.verdict]);
}

function timedOut(
  { attempt }: AttemptView,
  reason: string,
  message: string,
  retry: StartRetry | undefined,
): AttemptDecision {
  return {
    event: { type: "StartTimedOut", attempt: attempt.number, reason, message, ...(retry && { retry }) },
  };
}

export function jobMissing(view: Followed): AttemptDecision | undefined {
  if (view.pod || view.job) return undefined;
  return { do: "createJob", requeue: at(createdAt(view) + view.program.startTimeoutSeconds * 1000) };
}

export function startBlocked(view: Followed): AttemptDecision | undefined {
  const problem = problemOf(view) ?? reopened(view);
  if (!problem || isTold(view.run.status, problem)) return undefined;
  const requeue = nextLook(view);
  const due = (view.toldAt ?? Number.NEGATIVE_INFINITY) + tellingMs(view.run.status, problem);
  if (view.now < due) return earliest(requeue, at(due));
  return { event: { type: "StartBlocked", attempt: view.attempt.number, ...problem }, requeue };
}

/** How long the words of the status stay, after they were written. */
const tellingMs = (status: TaskRunStatus | undefined, { reason }: Problem): number =>
  status?.reason === reason ? 30_000 : 10_000;

/** Its Job was created since: it does not wait for admission any more. */
function reopened({ run, attempt }: Followed): Problem | undefined {
  if (run.status?.reason !== "AdmissionClosed") return undefined;
  return { reason: "Admitted", message: slotTaken(attempt.number) };
}

/**
 * Whether the run's status says it already, but for numbers: how many nodes there are changes all the time,
 * for all runs that wait. And the kubelet alternates between a failed pull, with its cause, and its backoff.
 */
export function isTold(status: TaskRunStatus | undefined, { reason, message }: Problem): boolean {
  if (status?.reason === "ErrImagePull" && reason === "ImagePullBackOff") return true;
  return status?.reason === reason && withoutNumbers(status.message ?? "") === withoutNumbers(cut(message));
}

const withoutNumbers = (text: string): string => text.replace(/\d+/g, "#");

/** A pod's change brings the run back; Events do not. */
export function nextLook(view: Followed): Requeue {
  const { pod, now } = view;
  const timeout = at(startDue(view));
  if (!pod) return earliest(timeout, at(now + recheckMs));
  const problem = problemOf(view);
  const dues = problem && [endDue, roomDue, delayDue].map((due) => at(due(view, problem)));
  const due = dues && earliest(timeout, ...dues);
  if (due && !view.podProblem) return due;
  const look = eventsDue(view);
  return earliest(timeout, at(look > now ? look : now + eventsMs));
}

/** When the problem ends the attempt whatever the start timeout is; Infinity: never. */
function endDue(view: AttemptView, problem: Problem): number {
  const { verdict, patience } = rowOf(view, problem);
  if (verdict !== "never" || view.isScalingUp) return Number.POSITIVE_INFINITY;
  if (patience === "none") return 0;
  return minuteDue(view);
}

const minuteDue = (view: AttemptView): number =>
  (isOnNode(view.pod) ? onNodeSince(view) : createdAt(view)) + minuteMs;

/** When the slot is given back for what passes by itself, but not soon; Infinity: never. */
function delayDue(view: AttemptView, problem: Problem): number {
  const { verdict, patience } = rowOf(view, problem);
  return verdict === "again" && patience === "minute" ? minuteDue(view) : Number.POSITIVE_INFINITY;
}

/** When the slot is given back for want of room; Infinity: the start timeout says when. */
function roomDue(view: AttemptView, problem: Problem): number {
  const isPatient = view.isScalingUp || problem.reason === "SchedulingGated";
  if (rowOf(view, problem).verdict !== "room" || isPatient) return Number.POSITIVE_INFINITY;
  return createdAt(view) + roomPatienceMs;
}

/** When the start times out; Infinity while there is nothing that could start. */
function startDue(view: Followed): number {
  const { run, pod, job, program } = view;
  const timeoutMs = program.startTimeoutSeconds * 1000;
  if (job || pod) return createdAt(view) + timeoutMs;
  const { reason, since = "" } = run.status ?? {};
  return isJustAdmitted(reason) ? Number.POSITIVE_INFINITY : Date.parse(since) + timeoutMs;
}

/** Nothing was tried yet, or nothing may be tried: no Job is missing by its own fault. */
const isJustAdmitted = (reason: string | undefined): boolean =>
  reason === "Admitted" || reason === "AdmissionClosed";

export const rowOf = ({ pod }: AttemptView, problem: Problem): EndRow =>
  startRowOf(problem, pod && isOnNode(pod));

export function problemOf(view: AttemptView): Problem | undefined {
  const { run, pod, podProblem } = view;
  const blocked = pod?.seen.state === "pending" ? pod.seen.blocked : undefined;
  return (blocked && withCause(run.status, blocked)) ?? podProblem ?? refusalOf(view);
}

/** The kubelet alternates between a failed pull, with its cause, and its backoff, often without. */
function withCause(status: TaskRunStatus | undefined, problem: Problem): Problem {
  const isBackoff = problem.reason === "ImagePullBackOff" && !/ErrImagePull/.test(problem.message);
  if (!isBackoff || status?.reason !== "ErrImagePull") return problem;
  return { reason: status.reason, message: status.message ?? "" };
}

/** There is no Job, because the API server refused it: what the last try said. */
function refusalOf({ run, pod, job }: AttemptView): Problem | undefined {
  const { phase, reason, message = "" } = run.status ?? {};
  if (pod || job || phase !== "Starting" || !reason || isJustAdmitted(reason)) return undefined;
  return { reason, message };
}

const unexplained = (pod: PodView | undefined): string =>
  pod?.seen.state === "pending"
    ? `The pod gives no reason; it is ${pod.seen.waiting}.`
    : "There is no pod, and no reason for that is known.";
