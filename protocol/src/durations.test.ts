import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDate, parseDelay, parseDuration } from "./durations.ts";

const now = Date.UTC(2026, 0, 1);
/** What people write that is almost a duration or a date. */
const neither = [
  ..."60|60 | 60|1h30|1 h|1h |h1|1.5h|-1s|+1s|1y|1mo|1ms|1min|1H|P1D|٣s|1h,30m|soon|tomorrow|".split("|"),
  ..."01/12/2026|12/01/2026|May 1|Dec 25|25 Dec 2026|2026|2026-11|2026-11-25|20261125T090000Z".split("|"),
  ..."2026-11-26 09:00|2026-11-26T09:00|2026-11-26T09:00:00|2026-11-26 09:00:00Z|2026-11-26T09Z".split("|"),
  ..."2026-02-30T00:00:00Z|2027-02-29T00:00:00Z|2026-12-32T00:00:00Z|2026-13-01T00:00:00Z".split("|"),
  ..."2026-11-26T24:00:00Z|2026-11-26T09:60:00Z|2026-11-26T09:00:60Z|2026-11-26T09:00:00+99:99".split("|"),
  ..."2026-11-26T09:00:00 Z|2026-11-26T09:00:00+0100|2026-11-26T09:00:00 CET|2026-11-26T09:00:00Z ".split(
    "|",
  ),
  ..."+010000-01-01T00:00:00Z|10000-01-01T00:00:00Z|-000001-01-01T00:00:00Z|1764036000|1764036000000".split(
    "|",
  ),
  "1s".repeat(51),
  `${"9".repeat(20)}s`,
];

describe("a duration", () => {
  it.each([
    ["10s", 10],
    ["1h30m", 5400],
    ["2hr", 7200],
    ["1w2d", 777_600],
    ["0s", 0],
  ])("%s is %i seconds", (text, seconds) => expect(parseDuration(text)).toBe(seconds));
  it.each(neither)("%j is not one", (text) => expect(parseDuration(text)).toBeUndefined());
  it("a date is not one", () => expect(parseDuration("2030-01-01T00:00:00Z")).toBeUndefined());
});

describe("a delay", () => {
  it.each([
    ["1m", now + 60_000],
    ["2030-01-01T00:00:00Z", Date.UTC(2030, 0, 1)],
    ["2030-01-01T00:00:00.123456789Z", Date.UTC(2030, 0, 1, 0, 0, 0, 123)],
    ["2030-01-01T00:00Z", Date.UTC(2030, 0, 1)],
    ["2030-01-01T02:00:00+02:00", Date.UTC(2030, 0, 1)],
    ["2028-02-29T00:00:00-05:30", Date.UTC(2028, 1, 29, 5, 30)],
    ["2020-01-01T00:00:00Z", Date.UTC(2020, 0, 1)],
  ])("%s is a time", (text, ms) => expect(parseDelay(text, now)).toBe(ms));

  it.each(neither)("%j is none", (text) => expect(parseDelay(text, now)).toBeUndefined());

  it("each Date as JSON writes it is that time, up to the year 9999", () => {
    const range = { min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true };
    fc.assert(
      fc.property(fc.date(range), (date) => {
        expect(parseDate(date.toISOString())).toBe(date.getTime());
      }),
    );
  });

  it("a text with anything before or after it is none", () => {
    const edge = fc.constantFrom(" ", "\n", "x", "0", "-", "1h ", ".");
    fc.assert(
      fc.property(
        fc.constantFrom("2030-01-01T00:00:00Z", "1h"),
        edge,
        fc.boolean(),
        (text, extra, isBefore) => {
          fc.pre(!(text === "1h" && isBefore && extra === "0"));
          expect(parseDelay(isBefore ? extra + text : text + extra, now)).toBeUndefined();
        },
      ),
    );
  });
});
