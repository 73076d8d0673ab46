/** Everything that can happen to a run. transition.ts says what each does in which phase. */
import type { OutputRef, Phase, RunError } from "../resources.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Wait } from "./waiting.ts";

/** How one attempt ended: from the runner's report, from the pod, or from its absence. */
export interface AttemptEnd {
  outcome: "Completed" | "Failed" | "Crashed" | "TimedOut" | "Infrastructure";
  reason: string;
  message: string;
  /** Failed and Crashed only: may the policy try again? */
  retryable?: boolean;
  /** The task's code asks for another attempt after so many milliseconds, whatever the policy says. */
  retryDelayMs?: number;
  exitCode?: number;
  error?: RunError;
  output?: unknown;
  outputRef?: OutputRef;
  startedAt?: string;
  finishedAt?: string;
}

/**
 * What follows when an attempt could not start: another one as the policy says, none, one that the policy
 * does not count, or the same one once more when there is room.
 */
export type StartRetry = "policy" | "never" | "infrastructure" | "room";

/** The pod of an attempt, as far as it is known. */
export interface PodRef {
  pod?: string;
  podUid?: string;
  node?: string;
}

export type RunEvent =
  /** The controller saw the run for the first time; `payloadDigest` fixes the payload that it gets. */
  /** `undeclaredQueue`: why the queue that the run names may be a wrong one. */
  | { type: "Accepted"; payloadDigest?: string; undeclaredQueue?: string }
  /** The run cannot start as it was written. Refused once an attempt is under way. */
  | { type: "Rejected"; reason: string; message: string }
  /** The run's key or name was used before: it ends as that run did, without an attempt of its own. */
  | {
      type: "Duplicate";
      original: { name: string; uid: string };
      phase: Phase;
      message: string;
      output?: unknown;
      outputRef?: OutputRef;
      error?: RunError;
    }
  /** `spec.delayUntil` changed or was reached: re-evaluates a Delayed run. */
  | { type: "DelayChecked"; payloadDigest?: string }
  /** The run waits for something that admission cannot give, such as its Task; its phase stays. */
  | { type: "Inadmissible"; reason: string; message: string }
  /** Why it has no slot yet; it stays Queued. Numbers alone do not make a new reason. */
  | ({ type: "Waits" } & Wait)
  /** `queue` is fixed from the first admission on. */
  | { type: "Admitted"; slot: number; queue?: string; version?: string; controllerRevision?: string }
  /** The slot was lost before the Job was created: back to the queue, and the attempt does not count. */
  | { type: "SlotLost"; attempt: number }
  /** What keeps the attempt from starting (image pull, unschedulable …); it stays Starting. */
  | { type: "StartBlocked"; attempt: number; reason: string; message: string }
  | ({ type: "Started"; attempt: number; at: string } & PodRef)
  /**
   * The code waits, for other runs, a time or a token: the slot is given back. `slot`: the one that it has;
   * an event that is late names an older one.
   */
  | ({ type: "WaitBegan"; attempt: number; slot: number; message: string } & PodRef)
  /** What it waited for is there. `slot`: the one that it gave back. */
  | { type: "ResumeAsked"; attempt: number; slot: number }
  /** It has a slot again, this one, and its code goes on. */
  | { type: "Resumed"; attempt: number; slot: number }
  | ({
      type: "AttemptEnded";
      attempt: number;
      end: AttemptEnd;
      retry: RetryPolicy;
      random: number;
    } & PodRef)
  /** `message`: who asked, if not a user. */
  | { type: "CancelRequested"; message?: string }
  | { type: "MaxDurationElapsed"; attempt: number; seconds: number }
  /** `retry`: whether another attempt follows; as the policy says, unless it is set. */
  | { type: "StartTimedOut"; attempt: number; reason: string; message: string; retry?: StartRetry }
  /** The container of a Stopping attempt no longer runs, or was never there. */
  | ({
      type: "ContainerGone";
      attempt: number;
      retry: RetryPolicy;
      random: number;
      exitCode?: number;
    } & PodRef)
  | { type: "TtlElapsed" }
  /** The API server refuses what was to be written, for good. */
  | { type: "StatusRefused"; message: string }
  /** The attempt's log is in the bucket, or is known to be lost. Allowed in every phase. */
  | ({ type: "Captured"; attempt: number; logKey?: string; logNote?: string } & PodRef);
