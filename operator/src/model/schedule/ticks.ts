/**
 * Which ticks of a schedule are to be triggered now. Pure.
 *
 * A tick is settled when it was triggered or skipped for good; all ticks up to `settledMs` are. A tick is on
 * time until a tenth of the time to the next one has passed, at least two minutes and at most an hour, so
 * that a change of leader or an outage of minutes loses no nightly run. Later ticks follow the schedule's
 * catch-up policy.
 */

import type { TaskScheduleSpec } from "../resources.ts";
import type { CronExpression } from "./cron.ts";

/** However often a schedule ticks, a tick this late is on time. */
export const onTimeMs = 120_000;
const longestOnTimeMs = 3_600_000;
/** Ticks of one call: about a week of a schedule that is due every minute. */
export const tickLimit = 10_000;
const defaultCatchUpLimit = 100;
/** More than any policy triggers at once: the largest catchUpLimit, and what is on time. */
const mostDue = 1_010;

export interface TickPlan {
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
    const skipped = ticks.slice(0, tickLimit - mostDue);
    return { due: [], missed: skipped.length, settledMs: skipped.at(-1) ?? settledMs, more: true };
  }
  const late = ticks.filter((tick, i) => isLate(cron, tick, ticks[i + 1], nowMs));
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

function isLate(cron: CronExpression, tick: number, following: number | undefined, nowMs: number): boolean {
  const lateness = nowMs - tick;
  if (lateness <= onTimeMs) return false;
  if (lateness > longestOnTimeMs) return true;
  const [next = Number.POSITIVE_INFINITY] = following === undefined ? cron.after(tick, 1) : [following];
  return lateness > (next - tick) / 10;
}
