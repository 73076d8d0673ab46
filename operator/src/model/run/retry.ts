/**
 * When a failed attempt is followed by another. The formula is Trigger.dev's: delay(n) = round(min(max, r *
 * min * factor^(n-1))), r in [1, 2) when randomized.
 */
import type { Retry, TaskRun, TaskRunStatus } from "../resources.ts";

export interface RetryPolicy {
  maxAttempts: number;
  factor: number;
  minTimeoutInMs: number;
  maxTimeoutInMs: number;
  randomize: boolean;
  /** Machine preset for one further attempt after an out-of-memory kill, whatever maxAttempts says. */
  outOfMemoryMachine?: TaskRunStatus["machine"];
}

type Loss = "room" | "pull" | "other";

/**
 * Attempts that may be lost to the infrastructure within an hour before the run ends as SystemFailure. An
 * image is tried for a minute each time.
 */
const lossLimits: Record<Loss, number> = { room: Number.POSITIVE_INFINITY, pull: 15, other: 5 };
const hourMs = 3_600_000;

/** Reasons of an attempt that never ran since there was no room for it. Waiting for room has no limit. */
export const isForWantOfRoom = (reason: string): boolean =>
  /^(OutOf.|(Unschedulable|SchedulingGated|QuotaExceeded|TopologyAffinityError|NodePorts|VolumeAttachmentLimitExceeded|NodePressure|JobSuspended)$)/.test(
    reason,
  );

/**
 * How many attempts were lost to the infrastructure within the last hour for a reason of this kind: a run
 * of many hours on nodes that come and go is not given up.
 */
export function recentLosses(
  { attempts = [] }: TaskRunStatus,
  reason: string,
  now: string,
): { count: number; isTooMany: boolean } {
  const kind = lossOf(reason);
  const since = Date.parse(now) - hourMs;
  const { length: count } = attempts.filter(
    ({ outcome, error, finishedAt }) =>
      outcome === "Infrastructure" &&
      lossOf(error?.name ?? "") === kind &&
      Date.parse(finishedAt ?? "") >= since,
  );
  return { count, isTooMany: count > lossLimits[kind] };
}

function lossOf(reason: string): Loss {
  if (isForWantOfRoom(reason)) return "room";
  return /^(ErrImagePull|ImagePullBackOff|RegistryUnavailable)$/.test(reason) ? "pull" : "other";
}

const defaults: RetryPolicy = {
  maxAttempts: 3,
  factor: 2,
  minTimeoutInMs: 1000,
  maxTimeoutInMs: 60_000,
  randomize: true,
};

/**
 * The run's policy: its own settings over the Task's over the defaults; an inline container has one attempt.
 */
export function retryPolicy(run: TaskRun, task: Retry | undefined): RetryPolicy {
  const own = { ...task, ...run.spec.retry };
  const fallback = run.spec.container ? 1 : defaults.maxAttempts;
  return {
    maxAttempts: run.spec.maxAttempts ?? own.maxAttempts ?? fallback,
    factor: own.factor ?? defaults.factor,
    minTimeoutInMs: own.minTimeoutInMs ?? defaults.minTimeoutInMs,
    maxTimeoutInMs: own.maxTimeoutInMs ?? defaults.maxTimeoutInMs,
    randomize: own.randomize ?? defaults.randomize,
    outOfMemoryMachine: own.outOfMemory?.machine,
  };
}

/** Milliseconds between failed attempt n (1-based) and the next; `random` is in [0, 1). */
export function retryDelay(policy: RetryPolicy, n: number, random: number): number {
  // Without a first delay there is none; 0 times an overflow would be no number.
  if (policy.minTimeoutInMs === 0) return 0;
  const jitter = policy.randomize ? 1 + random : 1;
  const delay = jitter * policy.minTimeoutInMs * policy.factor ** (n - 1);
  return Math.round(Math.min(policy.maxTimeoutInMs, delay));
}

/**
 * Until a run that found no room for the n-th time asks again, in its old place in line: 5 s, 10 s … 60 s.
 * Others of its queue go ahead meanwhile.
 */
export const roomDelay = (n: number): number => Math.min(60_000, 5000 * 2 ** (n - 1));

/** Backoff after the n-th infrastructure failure within an hour: 1 s, 2 s, 4 s … 30 s, without jitter. */
export const infrastructureDelay = (n: number): number => Math.min(30_000, 1000 * 2 ** (n - 1));
