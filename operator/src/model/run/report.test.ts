import type { Report } from "@fairlead/protocol/report";
import { expect, test } from "vitest";
import { endOfReport } from "./report.ts";

const time = "2026-01-01T00:00:00Z";
const report: Report = {
  v: 1,
  attempt: 1,
  podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
  outcome: "completed",
  output: { type: "application/json", key: "k", size: 7, data: '{"a":1}' },
  startedAt: time,
  finishedAt: time,
};

test("a report of success carries the output's copy and its reference", () => {
  expect(endOfReport(report)).toMatchObject({
    outcome: "Completed",
    output: { a: 1 },
    outputRef: { key: "k", size: 7, type: "application/json" },
  });
});

test("a report of failure carries the error, without what only the retry policy needs", () => {
  const error = { name: "E", message: "m", code: "UNCAUGHT_EXCEPTION" as const, retryable: false };
  expect(endOfReport({ ...report, outcome: "failed", output: undefined, error })).toMatchObject({
    outcome: "Failed",
    reason: "UncaughtException",
    message: "E: m",
    retryable: false,
    error: { name: "E", message: "m", code: "UNCAUGHT_EXCEPTION" },
  });
});

test("an error that says out of memory is as if the kernel had ended the attempt", () => {
  const error = { name: "OutOfMemoryError", message: "m", code: "OUT_OF_MEMORY" as const, retryable: false };
  const end = endOfReport({ ...report, outcome: "failed", output: undefined, error });
  expect(end).toMatchObject({ outcome: "Crashed", reason: "OOMKilled" });
});

test("a success whose copy in the status lacks something says so", () => {
  const output = (json: unknown, meta?: object) =>
    endOfReport({
      ...report,
      output: {
        ...{ type: "application/super+json", key: "k", size: 7 },
        data: JSON.stringify({ json, ...(meta && { meta }) }),
      },
    });
  expect(output({ n: "12" }, { values: { n: ["bigint"] } })).toMatchObject({
    output: { n: "12" },
    message: expect.stringContaining("the object in status.outputRef has them"),
  });
  expect(output({ n: 12 }).message).toBe("The task completed.");
});
