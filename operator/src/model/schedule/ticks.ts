/**
 * Which ticks of a schedule are to be triggered now. Pure.
 *
 * A tick is settled when it was triggered or skipped for good; all ticks up to `settledMs` are. A tick that
 * is at most two minutes late is on time, so that a change of leader or a slow controller loses none. Later
 * ticks follow the schedule's catch-up policy.
 */

import type { TaskScheduleSpec } from "../resources.ts";
import type { CronExpression } from "./cron.ts";

export const onTimeMs = 120_000;
/** Ticks of one call: about a week of a schedule that is due every minute. */
export const tickLimit = 10_000;
const defaultCatchUpLimit = 100;

interface TickPlan {
  /** To be triggered, in their order, in milliseconds since the epoch. */
  due: number[];
  /** How many are skipped for good. */
  missed: number;
  /** Ticks up to here are settled once the due ones are triggered. */
  settledMs: number;
  /** There are later ones: plan again from `settledMs`. */
  more: boolean;
}

export function planTicks(
  cron: CronExpression,
  settledMs: number,
  nowMs: number,
  {
    catchUp = "none",
    catchUpLimit = defaultCatchUpLimit,
  }: Pick<TaskScheduleSpec, "catchUp" | "catchUpLimit">,
): TickPlan {
  const ticks = cron.between(settledMs, nowMs, tickLimit + 1);
  if (ticks.length > tickLimit) {
    // So far behind that no policy triggers these: only the latest ones count.
    const skipped = ticks.slice(0, tickLimit);
    return { due: [], missed: skipped.length, settledMs: skipped.at(-1) ?? settledMs, more: true };
  }
  const late = ticks.filter((tick) => nowMs - tick > onTimeMs);
  const punctual = ticks.slice(late.length);
  const caughtUp = {
    none: [],
    last: punctual.length > 0 ? [] : late.slice(-1),
    all: late.slice(-catchUpLimit),
  }[catchUp];
  return {
    due: [...caughtUp, ...punctual],
    missed: late.length - caughtUp.length,
    settledMs: Math.max(settledMs, nowMs),
    more: false,
  };
}
