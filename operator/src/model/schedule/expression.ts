/**
 * The grammar of cron expressions: a text to the values that each field allows. Pure.
 *
 *   minute 0-59, hour 0-23, day of month 1-31, month 1-12 or JAN-DEC, day of week 0-7 or SUN-SAT (7: Sunday)
 *   `*`, values, ranges `a-b`, steps `* /n` `a-b/n` `a/n` (from a to the field's end), lists of these
 *   day of month: `L`, the last day; day of week: `5L`, the last Friday, `5#2`, the second one
 *   days: `?` is `*`
 *
 * What other dialects write and this one does not know is refused by name, never read as something else.
 */

/** Says what is wrong in words that follow "<field>: ". */
export class ExpressionProblem extends Error {
  override readonly name = "ExpressionProblem";
}

export interface Expression {
  /** Sorted. */
  minutes: readonly number[];
  hours: readonly number[];
  months: ReadonlySet<number>;
  daysOfMonth: ReadonlySet<number>;
  lastDayOfMonth: boolean;
  /** Sunday is 0. */
  daysOfWeek: ReadonlySet<number>;
  /** Days of week of which only the n-th of the month counts; -1 is the last. */
  nthDaysOfWeek: readonly { day: number; nth: number }[];
  /** All days, however written: the other field alone decides. Else one of both has to match. */
  anyDayOfMonth: boolean;
  anyDayOfWeek: boolean;
}

interface Field {
  name: string;
  min: number;
  max: number;
  /** The first one stands for `firstName`. */
  names?: readonly string[];
  firstName?: number;
}

const fields = {
  minute: { name: "minute", min: 0, max: 59 },
  hour: { name: "hour", min: 0, max: 23 },
  dayOfMonth: { name: "day of month", min: 1, max: 31 },
  month: {
    name: "month",
    min: 1,
    max: 12,
    names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    firstName: 1,
  },
  dayOfWeek: {
    name: "day of week",
    min: 0,
    max: 7,
    names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    firstName: 0,
  },
} satisfies Record<string, Field>;

const order = "minute, hour, day of month, month, day of week";
const shorthands: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
};

/** Throws ExpressionProblem. */
export function parseExpression(text: string): Expression {
  const expanded = shorthands[text] ?? text;
  if (expanded.startsWith("@")) {
    throw new ExpressionProblem(`no such shorthand; there are ${Object.keys(shorthands).join(", ")}`);
  }
  if (/^(CRON_)?TZ=/.test(expanded))
    throw new ExpressionProblem("has a time zone in it: give that in the field timezone");
  if (/^\s|\s$|[^\S ]/.test(expanded))
    throw new ExpressionProblem("has space around it, or other space than blanks between its fields");
  const parts = expanded.split(/ +/);
  const [minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = ""] = parts;
  if (parts.length !== 5) {
    const count = `has ${parts.length} ${parts.length === 1 ? "field" : "fields"}; give five: ${order}`;
    throw new ExpressionProblem(parts.length === 6 ? `${count}; there are no seconds and no years` : count);
  }
  const days = daysOfMonthOf(dayOfMonth);
  const week = daysOfWeekOf(dayOfWeek);
  return {
    minutes: valuesOf(minute, fields.minute),
    hours: valuesOf(hour, fields.hour),
    months: new Set(valuesOf(month, fields.month)),
    ...days,
    ...week,
  };
}

function daysOfMonthOf(text: string) {
  const items = text.split(",");
  const lastDayOfMonth = items.includes("L");
  const listed = items.filter((item) => item !== "L");
  const daysOfMonth = new Set(listed.length > 0 ? valuesOf(listed.join(","), fields.dayOfMonth) : []);
  return { daysOfMonth, lastDayOfMonth, anyDayOfMonth: daysOfMonth.size === 31 };
}

function daysOfWeekOf(text: string) {
  const field = fields.dayOfWeek;
  const nthDaysOfWeek: { day: number; nth: number }[] = [];
  const listed: string[] = [];
  for (const item of text.split(",")) {
    const [, day, last, nth] = /^([A-Za-z]{3}|\d)(?:(L)|#(\d+))$/.exec(item) ?? [];
    if (day === undefined) listed.push(item);
    else if (last) nthDaysOfWeek.push({ day: numberOf(day, item, field) % 7, nth: -1 });
    else if (Number(nth) >= 1 && Number(nth) <= 5)
      nthDaysOfWeek.push({ day: numberOf(day, item, field) % 7, nth: Number(nth) });
    else throw wrong(field, item, `a month has a first to a fifth ${day}: give #1 to #5`);
  }
  const values = listed.length > 0 ? valuesOf(listed.join(","), field) : [];
  const daysOfWeek = new Set(values.map((day) => day % 7));
  return { daysOfWeek, nthDaysOfWeek, anyDayOfWeek: daysOfWeek.size === 7 };
}

function valuesOf(text: string, field: Field): number[] {
  const values = new Set<number>();
  for (const item of text.split(",")) for (const value of valuesOfItem(item, field)) values.add(value);
  return [...values].sort((a, b) => a - b);
}

/** A value, a range, or a step through one. */
function valuesOfItem(item: string, field: Field): number[] {
  const foreign = foreignIn(item, field);
  if (foreign) throw wrong(field, item, foreign);
  const [, range = "", stepText] = /^([^/]*)(?:\/(\d+))?$/.exec(item) ?? [];
  if (range === "") throw wrong(field, item, `give ${wantedOf(field)}`);
  const { from, to } = boundsOf(range, item, field, stepText !== undefined);
  const step = stepText === undefined ? 1 : Number(stepText);
  // 7 is another name of Sunday, not an eighth day.
  const size = field.max - field.min + (field === fields.dayOfWeek ? 0 : 1);
  if (step < 1 || step > size) throw wrong(field, item, `a step is from 1 to ${size}`);
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

function boundsOf(range: string, item: string, field: Field, hasStep: boolean): { from: number; to: number } {
  const isWeek = field === fields.dayOfWeek;
  const end = isWeek ? 6 : field.max;
  if (range === "*" || range === "?") return { from: field.min, to: end };
  const ends = range.split("-");
  const [first = "", last] = ends;
  if (ends.length > 2) throw wrong(field, item, `give ${wantedOf(field)}`);
  const from = numberOf(first, item, field);
  if (last === undefined) return { from, to: hasStep ? Math.max(from, end) : from };
  const given = numberOf(last, item, field);
  // SAT-SUN: a week may end with its Sunday.
  const to = isWeek && given === 0 && from > 0 ? 7 : given;
  if (from <= to) return { from, to };
  // 7-2: a week may begin with it, too.
  if (isWeek && from === 7) return { from: 0, to };
  const name = (value: number) => nameOf(value, field, /[A-Za-z]/.test(range));
  const low = to === field.min ? name(to) : `${name(field.min)}-${name(to)}`;
  const high = from === end ? name(from) : `${name(from)}-${name(end)}`;
  throw wrong(field, item, `the range ends before it begins: give both parts, ${high},${low}`);
}

function numberOf(text: string, item: string, field: Field): number {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1;
  const value = named >= 0 ? named + (field.firstName ?? 0) : /^\d{1,4}$/.test(text) ? Number(text) : NaN;
  if (value >= field.min && value <= field.max) return value;
  throw wrong(field, item, `give ${wantedOf(field)}`);
}

const nameOf = (value: number, field: Field, byName: boolean): string =>
  (byName && field.names?.[value - (field.firstName ?? 0)]) || String(value);

function wantedOf({ min, max, names }: Field): string {
  const named = names ? `, or ${names[0]} to ${names.at(-1)}` : "";
  return `${min} to ${max}${named}`;
}

/** What other dialects mean by it, when it is theirs. */
function foreignIn(item: string, field: Field): string | undefined {
  const isDay = field === fields.dayOfMonth || field === fields.dayOfWeek;
  if (item === "") return `is empty: give * for any, or ${wantedOf(field)}`;
  if (item === "?") return isDay ? undefined : "only a day may be ?: give *";
  if (/^H(\(|\/|$)/.test(item)) return "a time of the scheduler's choice is not supported: give a value";
  if (item === "L" && field === fields.dayOfWeek)
    return "say which day: 6L is the last Saturday of the month, 6 every Saturday";
  if (field === fields.dayOfMonth && /^L-\d+$/.test(item))
    return "days before the last one are not supported: give L, or a day";
  if (field === fields.dayOfMonth && /^(LW|\d+W)$/.test(item))
    return "the nearest weekday is not supported: give a day";
  if (!isDay && item === "L") return "only a day may be the last one: give a value";
  if (item.startsWith("+")) return "both days at once are not supported: one of them has to match";
  return undefined;
}

const wrong = (field: Field, item: string, why: string): ExpressionProblem =>
  new ExpressionProblem(`${field.name}: ${item === "" ? "" : `${item}: `}${why}`);
