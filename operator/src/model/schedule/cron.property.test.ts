/**
 * Expressions against a second reading of them: croner, in UTC, says which wall times there are, and a walk
 * over every minute around each change of clocks says which moments these are.
 */
import { Cron } from "croner";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CronExpression } from "./cron.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const wallClock = (zone: string): ((ms: number) => number) => {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  // "2026-03-29 03:00:00" is faster read by hand than by Date.
  return (ms) => {
    const [year = 0, month = 0, date, hours, minutes] = format.format(ms).split(/[- :]/).map(Number);
    return Date.UTC(year, month - 1, date, hours, minutes);
  };
};

function changesOf(zone: string, years: number[]): number[] {
  const clock = wallClock(zone);
  const shift = (ms: number) => clock(ms) - ms;
  const changes: number[] = [];
  for (const year of years) {
    for (let at = Date.UTC(year, 0, 1); at < Date.UTC(year + 1, 0, 1); at += day) {
      if (shift(at) === shift(at + day)) continue;
      let ms = at;
      while (shift(ms) === shift(at)) ms += minute;
      changes.push(ms);
    }
  }
  return changes;
}

/** The wall times in [from, to), as croner lists them. */
function wallTimes(expression: string, from: number, to: number): number[] {
  const cron = new Cron(expression, { utcOffset: 0, paused: true, mode: "5-part" });
  const times: number[] = [];
  let next = cron.nextRun(new Date(from - 1000));
  while (next && next.getTime() < to) {
    times.push(next.getTime());
    next = cron.nextRun(next);
  }
  return times;
}

const zones: [string, number[]][] = [
  ["Europe/Berlin", [2024, 2025, 2026, 2027]],
  ["America/New_York", [2025, 2026, 2030]],
  ["America/Nuuk", [2025, 2026]],
  ["America/Havana", [2026]],
  ["America/Sao_Paulo", [2018]],
  ["America/St_Johns", [2010, 2026]],
  ["Australia/Lord_Howe", [2025, 2026]],
  ["Africa/Casablanca", [2025, 2026, 2027]],
  ["Africa/Cairo", [2026]],
  ["Antarctica/Troll", [2025, 2026]],
  ["Asia/Beirut", [2026]],
  ["Pacific/Apia", [2011]],
  ["Pacific/Chatham", [2026]],
  ["Asia/Pyongyang", [2018]],
];
const daily = [
  "0,30 2 * * *",
  "30 2,3 * * *",
  "30 1-3 * * *",
  "*/15 2 * * *",
  "* 0-4 * * *",
  "45 23 * * *",
  "0 0 * * *",
  "30 0 * * *",
  "0 1,2,3 * * *",
  "30 */2 * * *",
  "15 2 * * 0",
  "0 3 * * *",
  "5/20 22-23 * * *",
];
const everyHour = ["* * * * *", "*/15 * * * *", "0 * * * *", "45 * * * *", "30 */1 * * SUN"];

describe.each(zones)("around each change of clocks in %s", (zone, years) => {
  const clock = wallClock(zone);
  const windows = changesOf(zone, years).map((change) => {
    const moments = new Map<number, number[]>();
    for (let ms = change - 30 * hour; ms < change + 30 * hour; ms += minute) {
      const wall = clock(ms);
      moments.set(wall, [...(moments.get(wall) ?? []), ms]);
    }
    return { change, moments, first: clock(change - 30 * hour), last: clock(change + 30 * hour) };
  });
  const inner = (change: number) => ({ from: change - 27 * hour, to: change + 27 * hour });
  const ticksOf = (expression: string, { from, to }: { from: number; to: number }) =>
    new CronExpression(expression, zone).between(from - 1, to - 1, 10_000);
  const croners = (expression: string) => expression.replace("5/20", "5-59/20");

  it("there are some", () => expect(windows).not.toEqual([]));

  it.each(daily)(
    "%s: each wall time of a day is one tick, in a gap at its end, twice only once",
    (expression) => {
      for (const { change, moments, first, last } of windows) {
        const range = inner(change);
        const walls = wallTimes(croners(expression), first, last);
        const wanted = new Set(walls.map((wall) => moments.get(wall)?.[0] ?? change));
        const expected = [...wanted].filter((ms) => ms >= range.from && ms < range.to).sort((a, b) => a - b);
        expect(ticksOf(expression, range)).toEqual(expected);
      }
    },
  );

  it.each(everyHour)("%s: each moment that shows one of its minutes is a tick", (expression) => {
    for (const { change, moments, first, last } of windows) {
      const range = inner(change);
      const expected = wallTimes(expression, first, last)
        .flatMap((wall) => moments.get(wall) ?? [])
        .filter((ms) => ms >= range.from && ms < range.to)
        .sort((a, b) => a - b);
      expect(ticksOf(expression, range)).toEqual(expected);
    }
  });

  it("ticks rise, and the next one does not depend on where one begins", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...daily, ...everyHour),
        fc.constantFrom(...windows.map(({ change }) => change)),
        fc.integer({ min: -30 * hour, max: 30 * hour }),
        (expression, change, offset) => {
          const cron = new CronExpression(expression, zone);
          const ticks = cron.between(change - 2 * day, change + 10 * day, 20_000);
          expect(ticks.every((tick, i) => tick > (ticks[i - 1] ?? 0))).toBe(true);
          expect(cron.after(change + offset, 1)[0]).toBe(ticks.find((tick) => tick > change + offset));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("where no clock changes", () => {
  const part = (min: number, max: number) => {
    const value = fc.integer({ min, max });
    const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
    const step = fc.tuple(fc.oneof(fc.constant("*"), range), fc.integer({ min: 2, max: 7 }));
    const item = fc.oneof(
      value.map(String),
      range,
      step.map(([over, by]) => `${over}/${by}`),
    );
    return fc.oneof(
      fc.constant("*"),
      fc.array(item, { minLength: 1, maxLength: 3 }).map((list) => list.join(",")),
    );
  };
  const days = fc.oneof(part(1, 28), fc.constantFrom("L", "15,L"));
  const week = fc.oneof(
    fc.constantFrom("*", "*/2", "2-5/2", "MON", "FRI,SUN", "1-5", "7", "6,7", "5L", "1#2", "0L"),
  );

  it("the same ticks as croner's", () => {
    fc.assert(
      fc.property(
        fc.tuple(part(0, 59), part(0, 23), days, part(1, 12), week),
        fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) }),
        (fields, from) => {
          // A last or n-th weekday beside a day of the month is another thing for croner: both must match.
          fc.pre(fields[2] === "*" || !/[L#]/.test(fields[4]));
          const expression = fields.join(" ");
          const cron = new Cron(expression.replace(/(\d)L$/, "$1#L"), { utcOffset: 0, paused: true });
          const expected = cron.nextRuns(5, new Date(from)).map((date) => date.getTime());
          expect(new CronExpression(expression).after(from, 5)).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });
});
