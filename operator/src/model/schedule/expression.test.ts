import { describe, expect, it } from "vitest";
import { CronExpression, CronProblem } from "./cron.ts";

const next = (expression: string, timezone?: string): string =>
  new CronExpression(expression, timezone)
    .after(Date.parse("2026-01-01T00:00:00Z"), 3)
    .map((ms) => new Date(ms).toISOString().slice(5, 16))
    .join(" ");

describe("an expression means what its author thinks", () => {
  it.each([
    ["5/15 * * * *", "01-01T00:05 01-01T00:20 01-01T00:35"],
    ["*/40 * * * *", "01-01T00:40 01-01T01:00 01-01T01:40"],
    ["*/60 * * * *", "01-01T01:00 01-01T02:00 01-01T03:00"],
    ["0 */24 * * *", "01-02T00:00 01-03T00:00 01-04T00:00"],
    ["0 0 L * *", "01-31T00:00 02-28T00:00 03-31T00:00"],
    ["0 0 15,L * *", "01-15T00:00 01-31T00:00 02-15T00:00"],
    ["0 0 * * 5L", "01-30T00:00 02-27T00:00 03-27T00:00"],
    ["0 0 * * FRIL", "01-30T00:00 02-27T00:00 03-27T00:00"],
    ["0 0 * * 1#2", "01-12T00:00 02-09T00:00 03-09T00:00"],
    ["0 0 * * mon", "01-05T00:00 01-12T00:00 01-19T00:00"],
    ["0 0 * * 7", "01-04T00:00 01-11T00:00 01-18T00:00"],
    ["0 0 * * SAT-SUN", "01-03T00:00 01-04T00:00 01-10T00:00"],
    ["0 0 * * 7-1", "01-04T00:00 01-05T00:00 01-11T00:00"],
    ["0 0 ? JAN,feb FRI", "01-02T00:00 01-09T00:00 01-16T00:00"],
    ["0 0 13 * ?", "01-13T00:00 02-13T00:00 03-13T00:00"],
    // Either day will do, unless one of them is every day.
    ["0 0 13 * FRI", "01-02T00:00 01-09T00:00 01-13T00:00"],
    ["0 0 13 * */1", "01-13T00:00 02-13T00:00 03-13T00:00"],
    ["0 0 13 * 0-6", "01-13T00:00 02-13T00:00 03-13T00:00"],
    ["0 0 1-31 * FRI", "01-02T00:00 01-09T00:00 01-16T00:00"],
    ["0 0 31 2 FRI", "02-06T00:00 02-13T00:00 02-20T00:00"],
    ["0 0 29 2 *", "02-29T00:00 02-29T00:00 02-29T00:00"],
    ["@midnight", "01-02T00:00 01-03T00:00 01-04T00:00"],
    ["@weekly", "01-04T00:00 01-11T00:00 01-18T00:00"],
  ])("%s", (expression, expected) => expect(next(expression)).toBe(expected));

  it.each(["Asia/Calcutta", "US/Pacific", "europe/berlin", "Etc/GMT+2", "CET", "GMT", "utc"])(
    "the time zone %s",
    (zone) => expect(next("0 12 * * *", zone)).not.toBe(""),
  );
});

describe("an expression that means something else elsewhere, or nothing, is refused by name", () => {
  const refused: [string, RegExp][] = [
    ["0 0 * * L", /day of week: L: say which day: 6L is the last Saturday/],
    ["0 0 L-2 * *", /day of month: L-2: .*give L/],
    ["0 0 15W * *", /day of month: 15W: the nearest weekday is not supported/],
    ["0 0 LW * *", /day of month: LW: the nearest weekday/],
    ["L * * * *", /minute: L: only a day may be the last one/],
    ["? * * * *", /minute: \?: only a day may be \?: give \*/],
    ["0 0 * ? *", /month: \?/],
    ["H H * * *", /minute: H: .*give a value/],
    ["0 0 13 * +FRI", /day of week: \+FRI: .*one of them has to match/],
    ["0 22-2 * * *", /hour: 22-2: .*give both parts, 22-23,0-2/],
    ["0 0 * * FRI-MON", /day of week: FRI-MON: .*give both parts, FRI-SAT,SUN-MON/],
    ["0 0 * NOV-JAN *", /month: NOV-JAN: .*give both parts, NOV-DEC,JAN/],
    ["0 0 * JANUARY *", /month: JANUARY: give 1 to 12, or JAN to DEC/],
    ["0 0 * * monday", /day of week: monday: give 0 to 7, or SUN to SAT/],
    ["*/61 * * * *", /minute: \*\/61: a step is from 1 to 60/],
    ["*/0 * * * *", /minute: \*\/0: a step is from 1 to 60/],
    ["0 0 * * */8", /day of week: \*\/8: a step is from 1 to 7/],
    ["60 * * * *", /minute: 60: give 0 to 59/],
    ["-5 * * * *", /minute: -5: give 0 to 59/],
    ["1.5 * * * *", /minute: 1\.5/],
    ["1,,2 * * * *", /minute: is empty/],
    ["0 24 * * *", /hour: 24: give 0 to 23/],
    ["0 0 0 * *", /day of month: 0/],
    ["0 0 * 13 *", /month: 13/],
    ["0 0 * * 8", /day of week: 8/],
    ["0 0 * * 1#6", /day of week: 1#6: .*#1 to #5/],
    ["0 0 31 2 *", /never matches/],
    ["0 0 31 2,4,6,9,11 *", /never matches/],
    ["0 0 9 * * *", /6 fields; give five.*no seconds/],
    ["0 9 * *", /4 fields; give five/],
    ["", /1 field; give five/],
    [" 0 9 * * *", /space around it/],
    ["0 9 * *\t*", /other space than blanks/],
    ["CRON_TZ=Europe/Berlin 0 6 * * *", /in the field timezone/],
    ["@DAILY", /no such shorthand; there are @hourly, @daily/],
    ["@every 5m", /no such shorthand/],
    ["@reboot", /no such shorthand/],
  ];
  it.each(refused)("%j", (expression, message) => {
    expect(() => new CronExpression(expression)).toThrow(CronProblem);
    expect(() => new CronExpression(expression)).toThrow(message);
    expect(() => new CronExpression(expression)).toThrow(/^spec\.cron: "/);
  });

  it.each(["Europe/Berlinn", "PST", "IST", "BST", "+02:00", "Z", "", " UTC", "Europe/Berlin\n"])(
    "the time zone %j",
    (zone) =>
      expect(() => new CronExpression("* * * * *", zone)).toThrow(
        /^spec\.timezone: .*not a valid IANA time zone/s,
      ),
  );
});
