/** Ends of an attempt that its container does not report, as decisions. */
import { retryOf as retryOfProgram } from "../../../jobs/program.ts";
import type { AttemptEnd, PodRef } from "../../../model/run/event.ts";
import { type RetryPolicy, retryPolicy } from "../../../model/run/retry.ts";
import type { AttemptDecision, AttemptView } from "./view.ts";

/** `pod` where the attempt's pod is known to be the one that ended. */
export function endAttempt(view: AttemptView, end: AttemptEnd, pod: PodRef = {}): AttemptDecision {
  const { attempt, random } = view;
  return {
    event: { type: "AttemptEnded", attempt: attempt.number, end, retry: retryOf(view), random, ...pod },
  };
}

export const retryOf = ({ program, run }: AttemptView): RetryPolicy =>
  program ? retryOfProgram(program) : retryPolicy(run, undefined);

/** For good: another attempt would fail in the same way. */
export const failed = (reason: string, message: string): AttemptEnd => ({
  ...endOf("Failed", reason, message),
  retryable: false,
});

/** The cluster took the pod; retried apart from maxAttempts. */
export const lostTo = (reason: string, message: string): AttemptEnd =>
  endOf("Infrastructure", reason, message);

export const timedOut = (reason: string, message: string): AttemptEnd => endOf("TimedOut", reason, message);

const endOf = (outcome: AttemptEnd["outcome"], reason: string, message: string): AttemptEnd => ({
  outcome,
  reason,
  message,
  error: { name: reason, message: message.slice(0, 1024) },
});

/**
 * When a pod that was deleted counts as lost: by its deletionTimestamp a node that answers would have ended
 * it. Who deleted it does not matter; a drain of a dead node hides that the node is dead. Infinity: never.
 */
export function silentDue(view: AttemptView): number {
  const { deletionTimestamp } = view.pod?.object.metadata ?? {};
  if (!deletionTimestamp || view.pod?.seen.state === "ended") return Number.POSITIVE_INFINITY;
  return nodeLostDue(view, new Date(deletionTimestamp).toISOString());
}

/** When a silent node counts as lost. */
export const nodeLostDue = ({ config }: AttemptView, since: string): number =>
  Date.parse(since) + config.nodeLostAfterSeconds * 1000;
