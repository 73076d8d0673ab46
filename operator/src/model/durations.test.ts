import { expect, it } from "vitest";
import { formatDuration } from "./durations.ts";

it("a duration is formatted in the largest units", () => {
  expect([0, 59, 90, 3600, 90_061].map(formatDuration)).toEqual(["0s", "59s", "1m30s", "1h", "1d1h1m1s"]);
});
