/**
 * The Job's activeDeadlineSeconds, the last resort while no controller runs, knows nothing of waits. So it is
 * extended when what is left of it is less than the attempt may execute still: an hour at a time, a write
 * that most waits do not need. Pure.
 */
import { backstopMarginSeconds } from "../../../jobs/jobBuilder.ts";
import type { Program } from "../../../jobs/program.ts";
import { activeMsOf } from "../../../model/run/wait.ts";
import type { AttemptDecision, AttemptView } from "./view.ts";

const stepSeconds = 3600;

interface Deadline {
  /** The Job's own, in seconds since it began. */
  has: number;
  /** What it must be at least. */
  needs: number;
}

export function deadlineShort(view: AttemptView): AttemptDecision | undefined {
  const deadline = deadlineOf(view);
  return deadline && deadline.needs > deadline.has ? { do: "extendDeadline" } : undefined;
}

/** When a run that waits comes to need more; Infinity: never. */
export function deadlineLook(view: AttemptView): number {
  const deadline = deadlineOf(view);
  if (!deadline || view.run.status?.phase !== "Waiting") return Number.POSITIVE_INFINITY;
  return view.now + Math.max(1, deadline.has - deadline.needs) * 1000;
}

/** What the Job gets. */
export const extendedDeadline = (view: AttemptView): number | undefined => {
  const deadline = deadlineOf(view);
  return deadline && deadline.needs + stepSeconds;
};

function deadlineOf({ run, attempt, program, job, pod, now }: AttemptView): Deadline | undefined {
  const startTime = job?.status?.startTime;
  const has = job?.spec?.activeDeadlineSeconds;
  if (!program || !startTime || has === undefined || pod?.seen.state !== "running") return undefined;
  const active = run.status?.phase === "Waiting" ? (attempt.activeMs ?? 0) : activeMsOf(attempt, now);
  const left = program.maxDurationSeconds - active / 1000;
  const elapsed = (now - new Date(startTime).getTime()) / 1000;
  return { has, needs: Math.ceil(elapsed + left + backstopOf(program)) };
}

/** After maxDuration: the stop, and what it takes to notice. */
const backstopOf = ({ gracePeriodSeconds }: Program): number => gracePeriodSeconds + backstopMarginSeconds;
