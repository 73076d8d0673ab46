/**
 * The wall times of an expression: what a clock on the wall shows at its times, whatever the zone. Pure. A
 * wall time is written as the milliseconds that it would be in UTC.
 */
import type { Expression } from "./expression.ts";

const minuteMs = 60_000;
const dayMs = 86_400_000;
/** The calendar comes again after 28 years, and takes up to 40 around a year like 2100. */
const longestSearchYears = 60;

/** The first wall time later than `afterMs`; undefined when none comes in two generations. */
export function nextWallTime(expression: Expression, afterMs: number): number | undefined {
  const from = (Math.floor(afterMs / minuteMs) + 1) * minuteMs;
  let day = Math.floor(from / dayMs) * dayMs;
  const lastYear = new Date(day).getUTCFullYear() + longestSearchYears;
  for (let rest = from - day; ; rest = 0) {
    const date = new Date(day);
    if (date.getUTCFullYear() > lastYear) return undefined;
    if (!expression.months.has(date.getUTCMonth() + 1)) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
      continue;
    }
    const time = isDayOf(expression, date) ? nextTimeOfDay(expression, rest / minuteMs) : undefined;
    if (time !== undefined) return day + time * minuteMs;
    day += dayMs;
  }
}

/** In minutes since midnight. */
function nextTimeOfDay({ hours, minutes }: Expression, from: number): number | undefined {
  for (const hour of hours) {
    if (hour * 60 + 59 < from) continue;
    const minute = minutes.find((one) => hour * 60 + one >= from);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return undefined;
}

function isDayOf(expression: Expression, date: Date): boolean {
  const { anyDayOfMonth, anyDayOfWeek } = expression;
  if (anyDayOfMonth) return anyDayOfWeek || isDayOfWeek(expression, date);
  if (anyDayOfWeek) return isDayOfMonth(expression, date);
  return isDayOfMonth(expression, date) || isDayOfWeek(expression, date);
}

const isDayOfMonth = ({ daysOfMonth, lastDayOfMonth }: Expression, date: Date): boolean =>
  daysOfMonth.has(date.getUTCDate()) || (lastDayOfMonth && daysLeft(date) === 0);

function isDayOfWeek({ daysOfWeek, nthDaysOfWeek }: Expression, date: Date): boolean {
  const today = date.getUTCDay();
  if (daysOfWeek.has(today)) return true;
  return nthDaysOfWeek.some(
    ({ day, nth }) =>
      day === today && (nth < 0 ? daysLeft(date) < 7 : Math.ceil(date.getUTCDate() / 7) === nth),
  );
}

/** Days of the month that follow it. */
const daysLeft = (date: Date): number =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate() - date.getUTCDate();
