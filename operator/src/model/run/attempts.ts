/** The list of a run's attempts in its status. Pure. */
import type { Attempt, TaskRunStatus } from "../resources.ts";
import type { PodRef } from "./event.ts";

/** Of an attempt's one container. */
export const containerName = "main";

/** Attempts kept in status; beyond it the oldest captured ones are dropped. */
export const attemptsKept = 20;

/** The attempt that is under way; undefined between attempts and after the last one. */
export function currentAttempt(status: TaskRunStatus | undefined): Attempt | undefined {
  const last = status?.attempts?.at(-1);
  return last && last.outcome === undefined ? last : undefined;
}

/**
 * The list with one more; an attempt whose log is still to be captured stays, since its Job is found through
 * it.
 */
export function addAttempt(status: TaskRunStatus, attempt: Attempt): Attempt[] {
  const attempts = [...(status.attempts ?? []), attempt];
  const excess = attempts.length - attemptsKept;
  if (excess <= 0) return attempts;
  let dropped = 0;
  const kept = attempts.filter((a) => !(a.captured && dropped < excess && ++dropped));
  return kept.slice(-attemptsKept);
}

export function updateLastAttempt(status: TaskRunStatus, changes: Partial<Attempt>): Attempt[] {
  const attempts = status.attempts ?? [];
  const last = attempts.at(-1);
  return last ? [...attempts.slice(0, -1), { ...last, ...changes }] : attempts;
}

/**
 * When the attempt began, by the clock of its node, which may be anything: within what our own clock knows,
 * after its admission and before now. (Two of our own clocks may differ by a moment.)
 */
export function startOf(status: TaskRunStatus, at: string, now: string): string {
  const earliest = status.attempts?.at(-1)?.admittedAt ?? now;
  const ms = Date.parse(at);
  if (!(ms >= Date.parse(earliest))) return earliest;
  return ms > Date.parse(now) + 1000 ? now : at;
}

/** What is known of the attempt's pod: an unknown field must not erase a known one. */
export function knownPod({ pod, podUid, node }: PodRef): PodRef {
  return { ...(pod && { pod }), ...(podUid && { podUid }), ...(node && { node }) };
}
