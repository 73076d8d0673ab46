import { describe, expect, it } from "vitest";
import { CronExpression, CronProblem } from "./cron.ts";

const after = (expression: string, timezone: string | undefined, from: string, count: number): string[] =>
  new CronExpression(expression, timezone)
    .after(Date.parse(from), count)
    .map((ms) => new Date(ms).toISOString().replace(":00.000Z", "Z"));

describe("the next ticks", () => {
  const cases: [string, string | undefined, string, string[]][] = [
    ["*/15 * * * *", undefined, "2026-01-01T00:00:00Z", ["2026-01-01T00:15Z", "2026-01-01T00:30Z"]],
    ["0 9 * * MON-FRI", "Europe/Berlin", "2026-01-02T12:00:00Z", ["2026-01-05T08:00Z", "2026-01-06T08:00Z"]],
    ["0 0 1 1 *", "UTC", "2026-01-01T00:00:00Z", ["2027-01-01T00:00Z"]],
    ["@daily", "America/New_York", "2026-06-01T00:00:00Z", ["2026-06-01T04:00Z"]],
    ["0 12 * * *", "Asia/Kathmandu", "2026-03-07T12:00:00Z", ["2026-03-08T06:15Z"]],
    ["0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", ["2028-02-29T00:00Z"]],
    // Either day will do when both are named.
    ["0 0 13 * 5", "UTC", "2026-03-07T12:00:00Z", ["2026-03-13T00:00Z", "2026-03-20T00:00Z"]],
  ];
  it.each(cases)("%s in %s has the ticks that follow %s", (expression, zone, from, expected) => {
    expect(after(expression, zone, from, expected.length)).toEqual(expected);
  });
});

describe("when clocks go forward", () => {
  it("a time that the day does not have comes once, after the gap", () => {
    expect(after("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2)).toEqual([
      "2026-03-29T01:00Z",
      "2026-03-30T00:30Z",
    ]);
    expect(after("0 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", 2)).toEqual([
      "2026-03-08T07:00Z",
      "2026-03-09T06:00Z",
    ]);
  });

  it("half hours continue without a gap and without a repetition", () => {
    expect(after("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 4)).toEqual([
      "2026-03-29T00:30Z",
      "2026-03-29T01:00Z",
      "2026-03-29T01:30Z",
      "2026-03-29T02:00Z",
    ]);
  });

  it("a shift of half an hour is followed, too", () => {
    expect(after("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2)).toEqual([
      "2026-10-03T15:30Z",
      "2026-10-04T15:15Z",
    ]);
  });
});

describe("when clocks go back", () => {
  it("a time that the day has twice comes once", () => {
    expect(after("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2)).toEqual([
      "2026-10-25T00:30Z",
      "2026-10-26T01:30Z",
    ]);
    expect(after("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2)).toEqual([
      "2026-11-01T05:30Z",
      "2026-11-02T06:30Z",
    ]);
  });

  it("an hourly schedule follows the elapsed time", () => {
    expect(after("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4)).toEqual([
      "2026-10-25T00:00Z",
      "2026-10-25T01:00Z",
      "2026-10-25T02:00Z",
      "2026-10-25T03:00Z",
    ]);
  });
});

describe("an invalid expression is refused, and the field is named", () => {
  const bad: [string, string | undefined, string, RegExp][] = [
    ["* * * * * *", undefined, "InvalidCron", /spec\.cron.*6 fields; give five/],
    ["soon", undefined, "InvalidCron", /spec\.cron.*1 field/],
    ["61 * * * *", undefined, "InvalidCron", /spec\.cron.*minute: 61/],
    ["* * * * MOON", undefined, "InvalidCron", /spec\.cron/],
    ["0 0 30 2 *", undefined, "InvalidCron", /spec\.cron.*never matches/],
    ["* * * * *", "Mars/Base", "UnknownTimezone", /spec\.timezone: "Mars\/Base"/],
  ];
  it.each(bad)("%s in %s", (expression, zone, reason, message) => {
    let problem: unknown;
    try {
      new CronExpression(expression, zone);
    } catch (error) {
      problem = error;
    }
    expect(problem).toBeInstanceOf(CronProblem);
    expect(problem).toMatchObject({ reason, message: expect.stringMatching(message) });
  });
});
