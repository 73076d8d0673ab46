import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Report } from "@fairlead/protocol/report";
import { afterAll, describe, expect, it } from "vitest";
import { Failure, reportedError } from "./failure.ts";
import { fits, TerminationMessage, terminationMessage } from "./terminationMessage.ts";

const times = { startedAt: "2026-01-01T00:00:00.000Z", finishedAt: "2026-01-01T00:00:01.000Z" };
const base = { v: 1, attempt: 1, podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e", ...times } as const;

describe("terminationMessage", () => {
  it("terminationMessage keeps as much of the stack as fits", () => {
    const error = { name: "Error", message: "m".repeat(1000), stack: "s".repeat(8192), retryable: true };
    const text = terminationMessage({ ...base, outcome: "failed", error });
    expect(Buffer.byteLength(text)).toBe(4095);
    expect(JSON.parse(text).error.message).toBe(error.message);
  });

  it("terminationMessage is the whole report when that fits", () => {
    const report: Report = {
      ...base,
      outcome: "completed",
      output: { type: "application/json", size: 2, data: "{}" },
    };
    expect(JSON.parse(terminationMessage(report))).toEqual(report);
  });

  it("terminationMessage throws rather than lose an output that is stored nowhere else", () => {
    const output = { type: "application/json", size: 5000, data: "x".repeat(5000) };
    const report: Report = { ...base, outcome: "completed", output };
    expect(fits(report)).toBe(false);
    expect(() => terminationMessage(report)).toThrow("5000 bytes");
  });
});

describe("TerminationMessage", () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-termination-"));
  const path = join(folder, "log");
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (): unknown => JSON.parse(readFileSync(path, "utf8"));
  const report: Report = {
    ...base,
    outcome: "failed",
    error: reportedError(new Failure("TASK_NOT_FOUND", "no task")),
  };

  it("TerminationMessage goes from stopping to a report, which stays", () => {
    const { attempt, podUid, startedAt } = base;
    const message = new TerminationMessage(path, { attempt, podUid, startedAt });
    message.mark({ outcome: "stopping", stoppingAt: startedAt });
    expect(read()).toEqual({ v: 1, attempt, podUid, startedAt, outcome: "stopping", stoppingAt: startedAt });
    message.mark({ outcome: "stopping", stoppingAt: startedAt, reason: "canceled" });
    expect(read()).toMatchObject({ outcome: "stopping", reason: "canceled" });
    expect(message.settled).toBe(false);
    expect(message.settle(report)).toBe(true);
    expect(read()).toEqual(report);
    message.mark({ outcome: "stopping", stoppingAt: startedAt });
    message.settle({ ...report, outcome: "completed", error: undefined });
    expect(read()).toEqual(report);
  });
});
