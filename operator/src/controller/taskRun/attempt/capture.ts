/**
 * After an attempt: its log goes to object storage, then its Job is removed. Nothing is deleted before it was
 * captured, or its log is given up (captureLog.ts).
 */
import { at, done } from "../../../kube/manager/requeue.ts";
import type { PodRef } from "../../../model/run/event.ts";
import { type Check, firstDecision } from "../decision.ts";
import type { CapturedLog } from "./captureLog.ts";
import { type AttemptAction, type AttemptDecision, type AttemptView, isJobOf } from "./view.ts";

/** How long a container may run on after its report before it is stopped. */
const exitLimitMs = 30_000;

/** What an ended attempt needs now. */
export const capture = (view: AttemptView): AttemptDecision => firstDecision(checks, view) ?? done;

/** A finished Job stays for a while, for `kubectl logs`. */
function logCaptured({ run, attempt, job, config, now }: AttemptView): AttemptDecision | undefined {
  if (!attempt.captured) return undefined;
  if (!job || job.metadata?.deletionTimestamp || !isJobOf(run, job)) return done;
  const due = endedAt(attempt) + config.jobRetentionSeconds * 1000;
  return now < due ? at(due) : { do: "deleteJob" };
}

/** A pod that the cache does not have yet brings the run back. */
function podMissing(view: AttemptView): AttemptDecision | undefined {
  const { pod, live } = view;
  if (pod) return undefined;
  if (!live || live.hasPods) return done;
  return captured(view, { logNote: "Its pod was gone before its log was read." });
}

function nodeLost(view: AttemptView): AttemptDecision | undefined {
  if (view.pod?.seen.state !== "lost") return undefined;
  return captured(view, { logNote: "Its node does not answer." });
}

function containerEnded({ pod }: AttemptView): AttemptDecision | undefined {
  return pod?.seen.state === "ended" ? { do: "captureLog" } : undefined;
}

/** The container reported and does not exit. */
function containerRunsOn({ attempt, pod, now }: AttemptView): AttemptDecision | undefined {
  if (!pod || pod.isEnding) return undefined;
  const due = endedAt(attempt) + exitLimitMs;
  return now < due ? at(due) : { do: "endPod" };
}

const checks: readonly Check<AttemptView, AttemptAction>[] = [
  logCaptured,
  podMissing,
  nodeLost,
  containerEnded,
  containerRunsOn,
];

const endedAt = ({ finishedAt = "" }: AttemptView["attempt"]): number => Date.parse(finishedAt);

export function captured({ attempt }: AttemptView, log: PodRef & CapturedLog): AttemptDecision {
  return { event: { type: "Captured", attempt: attempt.number, ...log } };
}
