/**
 * How an attempt ends, and what its run does then: it finishes, or goes back to its queue for another
 * attempt.
 *
 *   Completed          ─► Completed
 *   TimedOut           ─► TimedOut
 *   Failed, Crashed    ─► backoff while it is retryable and attempts are left, else Failed, Crashed
 *                         killed for its memory: once more on the larger machine that the policy names
 *                         its code asks for another attempt: at the time that it says, within a bound
 *   Infrastructure     ─► backoff, at most five times within an hour, else SystemFailure; fifteen times for
 *                         an image that cannot be pulled, for want of room without a limit
 *   stopped, canceled  ─► Canceled
 *   stopped, maxDuration elapsed ─► TimedOut
 *   stopped, start timeout       ─► as Failed, retryable unless it can never start; or as Infrastructure
 *   stopped, no room             ─► back to the queue, and the attempt does not count
 *   the API server refuses the status ─► SystemFailure, with what is needed to clean up
 *
 * Only transition.ts calls this; it has checked that the event is about the current attempt. Pure.
 */
import { maxRequestedAttempts } from "@fairlead/protocol/report";
import type { Phase, TaskRunStatus } from "../resources.ts";
import { knownPod, startOf, updateLastAttempt } from "./attempts.ts";
import type { AttemptEnd, PodRef } from "./event.ts";
import { cutText } from "./fit.ts";
import { infrastructureDelay, type RetryPolicy, recentLosses, retryDelay, roomDelay } from "./retry.ts";

/** What an event that ends an attempt brings along; `random` in [0, 1) is for the backoff. */
interface EndContext extends PodRef {
  retry: RetryPolicy;
  random: number;
}

interface Explanation {
  reason: string;
  message: string;
}

/** Reason of an attempt that was killed for its memory. */
export const outOfMemory = "OOMKilled";

/** Ends the current attempt. */
export function settle(
  status: TaskRunStatus,
  end: AttemptEnd,
  context: EndContext,
  now: string,
): TaskRunStatus {
  const ended = withEnd(status, end, context, now);
  switch (end.outcome) {
    case "Completed":
      return finish(ended, "Completed", end, now, { output: end.output, outputRef: end.outputRef });
    case "TimedOut":
      return finish(ended, "TimedOut", end, now, { error: end.error });
    case "Infrastructure": {
      const counted = { ...ended, infrastructureRetries: (status.infrastructureRetries ?? 0) + 1 };
      const { count, isTooMany } = recentLosses(ended, end.reason, now);
      if (!isTooMany) return backoff(counted, end, infrastructureDelay(count), now);
      return finish(counted, "SystemFailure", end, now, { error: end.error });
    }
    case "Failed":
    case "Crashed": {
      const failures = (status.attempt ?? 0) - (status.infrastructureRetries ?? 0);
      const delay = retryDelay(context.retry, failures, context.random);
      const larger = end.reason === outOfMemory && !status.machine && context.retry.outOfMemoryMachine;
      const asked = end.retryable ? end.retryDelayMs : undefined;
      if (asked !== undefined && (status.attempt ?? 0) < maxRequestedAttempts)
        return backoff(ended, end, asked, now);
      if (larger) return backoff({ ...ended, machine: larger }, end, delay, now);
      if (end.retryable && asked === undefined && failures < context.retry.maxAttempts)
        return backoff(ended, end, delay, now);
      return finish(ended, end.outcome, end, now, { error: end.error });
    }
  }
}

/**
 * Ends an attempt that was stopped, as the stop intended: whatever its container did while it was stopped.
 */
export function settleStopped(
  status: TaskRunStatus,
  stop: NonNullable<TaskRunStatus["stop"]>,
  context: EndContext & { exitCode?: number },
  now: string,
): TaskRunStatus {
  const { intent, reason, message } = stop;
  const error = { name: reason, message };
  if (intent === "Failed") {
    const ran = context.podUid ?? status.attempts?.at(-1)?.podUid;
    if (stop.retry === "room" && ran === undefined) return waitForRoom(status, stop, now);
    const isLoss = stop.retry === "infrastructure" || stop.retry === "room";
    const outcome = isLoss ? "Infrastructure" : "Failed";
    const retryable = stop.retry !== "never";
    return settle(status, { outcome, reason, message, retryable, error }, context, now);
  }
  const attempts = updateLastAttempt(status, {
    ...knownPod(context),
    finishedAt: now,
    outcome: intent,
    exitCode: context.exitCode,
    error,
  });
  return finish({ ...status, attempts }, intent, stop, now, intent === "TimedOut" ? { error } : {});
}

/** What releases the slot and finds the Jobs; nothing that came from outside. */
export function leastOf(
  { revision, attempt, slot, queue, queuedAt, startedAt, attempts }: TaskRunStatus,
  now: string,
): TaskRunStatus {
  return {
    ...{ revision, attempt, slot, queue, queuedAt, startedAt },
    attempts: attempts?.map(({ number, job, podUid, slot, admittedAt, outcome, finishedAt, captured }) => ({
      ...{ number, job, podUid, slot, admittedAt, captured },
      ...{ outcome: outcome ?? "Infrastructure", finishedAt: finishedAt ?? now },
    })),
  };
}

/** Into a terminal phase. */
export function finish(
  status: TaskRunStatus,
  phase: Phase,
  { reason, message }: Explanation,
  now: string,
  result: Pick<TaskRunStatus, "output" | "outputRef" | "error"> = {},
): TaskRunStatus {
  return {
    ...status,
    phase,
    reason,
    message: cut(message),
    finishedAt: now,
    nextAttemptAt: undefined,
    stop: undefined,
    ...result,
  };
}

/** Back to the queue as if it had not been admitted: the attempt had no container. Asks again in a while. */
function waitForRoom(status: TaskRunStatus, why: Explanation, now: string): TaskRunStatus {
  const roomRetries = (status.roomRetries ?? 0) + 1;
  const delayMs = roomDelay(roomRetries);
  return {
    ...status,
    phase: "Queued",
    reason: why.reason,
    message: cut(`${why.message} Asks again in ${delayMs / 1000} s.`),
    roomRetries,
    attempt: (status.attempt ?? 1) - 1,
    attempts: status.attempts?.slice(0, -1) ?? [],
    stop: undefined,
    nextAttemptAt: new Date(Date.parse(now) + delayMs).toISOString(),
  };
}

/** Back to the queue; the next attempt starts after `delayMs` at the earliest. */
function backoff(status: TaskRunStatus, end: AttemptEnd, delayMs: number, now: string): TaskRunStatus {
  const seconds = (delayMs / 1000).toFixed(1);
  const nextAttemptAt = new Date(Date.parse(now) + delayMs).toISOString();
  return {
    ...status,
    phase: "Queued",
    reason: "Backoff",
    message: cut(
      `Attempt ${status.attempt} ended: ${end.message} Next attempt in ${seconds} s, at ${nextAttemptAt}.`,
    ),
    nextAttemptAt,
  };
}

function withEnd(status: TaskRunStatus, end: AttemptEnd, context: PodRef, now: string): TaskRunStatus {
  const attempts = updateLastAttempt(status, {
    ...knownPod(context),
    ...(end.startedAt && { startedAt: startOf(status, end.startedAt, now) }),
    finishedAt: now,
    outcome: end.outcome,
    exitCode: end.exitCode,
    error: end.error,
  });
  // A runner reports milliseconds, the container's status has whole seconds.
  const isFirst = status.startedAt === undefined || status.startedAt === status.attempts?.at(-1)?.startedAt;
  const startedAt = (isFirst && attempts.at(-1)?.startedAt) || status.startedAt;
  return { ...status, startedAt, stop: undefined, attempts };
}

/** A message in status has at most 1,024 characters. */
export const cut = (message: string): string => cutText(message, 1024);
