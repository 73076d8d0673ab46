/** A run's phase as a status of Trigger.dev's API: in the words of v4, and in those of older clients. */

import { currentApiVersion, type RunStatus } from "@fairlead/protocol/status";
import type { Phase, TaskRun } from "../../../model/resources.ts";
import { isTerminal } from "../../../model/run/phase.ts";

type OldRunStatus =
  | Exclude<RunStatus, "PENDING_VERSION" | "DEQUEUED" | "WAITING">
  | "WAITING_FOR_DEPLOY"
  | "FROZEN";

const ofPhase: Record<Phase, RunStatus> = {
  Delayed: "DELAYED",
  Queued: "QUEUED",
  Starting: "DEQUEUED",
  Executing: "EXECUTING",
  Waiting: "WAITING",
  Stopping: "EXECUTING",
  Completed: "COMPLETED",
  Canceled: "CANCELED",
  Expired: "EXPIRED",
  Failed: "FAILED",
  Crashed: "CRASHED",
  TimedOut: "TIMED_OUT",
  SystemFailure: "SYSTEM_FAILURE",
};

/** A run that the controller has not seen yet is queued, or delayed if it says so. */
export function statusOf({ spec, status }: Pick<TaskRun, "spec" | "status">): RunStatus {
  if (!status?.phase)
    return spec.delayUntil && Date.parse(spec.delayUntil) > Date.now() ? "DELAYED" : "QUEUED";
  if (status.phase === "Queued" && status.reason === "TaskNotFound") return "PENDING_VERSION";
  return ofPhase[status.phase];
}

const old: Partial<Record<RunStatus, OldRunStatus>> = {
  PENDING_VERSION: "WAITING_FOR_DEPLOY",
  DEQUEUED: "EXECUTING",
  WAITING: "FROZEN",
};

export const isCurrent = (apiVersion: string | undefined): boolean => apiVersion === currentApiVersion;

export const statusFor = (status: RunStatus, apiVersion: string | undefined): RunStatus | OldRunStatus =>
  isCurrent(apiVersion) ? status : (old[status] ?? (status as OldRunStatus));

/**
 * Every terminal status counts as completed, EXPIRED and TIMED_OUT included: a poller must come to an end.
 */
export function flagsOf(status: RunStatus, phase: Phase | undefined) {
  const isFinished = isTerminal(phase);
  return {
    isQueued: ["QUEUED", "DELAYED", "PENDING_VERSION"].includes(status),
    isExecuting: ["EXECUTING", "DEQUEUED"].includes(status),
    isWaiting: status === "WAITING",
    isCompleted: isFinished,
    isSuccess: status === "COMPLETED",
    isFailed: isFinished && status !== "COMPLETED" && status !== "CANCELED",
    isCancelled: status === "CANCELED",
  };
}

const olderWords: Readonly<Record<string, RunStatus>> = {
  WAITING_FOR_DEPLOY: "PENDING_VERSION",
  FROZEN: "WAITING",
  REATTEMPTING: "QUEUED",
  INTERRUPTED: "SYSTEM_FAILURE",
};

/** The words of a status filter: those of today. */
export const statusWords: readonly RunStatus[] = ["PENDING_VERSION", ...new Set(Object.values(ofPhase))];

/** What a word of a status filter means, in both vocabularies; undefined: it is none. */
export function namesOf(word: string): RunStatus[] | undefined {
  const name = Object.hasOwn(olderWords, word) ? olderWords[word] : statusWords.find((one) => one === word);
  return name && [name];
}
