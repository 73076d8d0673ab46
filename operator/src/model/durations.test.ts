import { describe, expect, it } from "vitest";
import { formatDuration, parseDelay, parseDuration } from "./durations.ts";

describe("a duration", () => {
  it.each([
    ["10s", 10],
    ["1h30m", 5400],
    ["2hr", 7200],
    ["1w2d", 777_600],
    ["0s", 0],
  ])("%s is %i seconds", (text, seconds) => expect(parseDuration(text)).toBe(seconds));
  it.each(["", "10", "m", "1.5h", "-1s", "1h ", "1y", "2030-01-01T00:00:00Z", `${"1s".repeat(51)}`])(
    "%j is not one",
    (text) => expect(parseDuration(text)).toBeUndefined(),
  );
  it("a duration is formatted in the largest units", () => {
    expect([0, 59, 90, 3600, 90_061].map(formatDuration)).toEqual(["0s", "59s", "1m30s", "1h", "1d1h1m1s"]);
  });
});

describe("a delay", () => {
  it("a delay is a duration from now, or a date", () => {
    expect(parseDelay("1m", 1000)).toBe(61_000);
    expect(parseDelay("2030-01-01T00:00:00Z", 0)).toBe(Date.UTC(2030, 0, 1));
    expect(parseDelay("tomorrow", 0)).toBeUndefined();
    expect(parseDelay("2030", 0)).toBeUndefined();
  });
});
