import type { Report } from "@fairlead/protocol/report";
import { describe, expect, test } from "vitest";
import { endOfContainer, reportOf } from "./attemptEnd.ts";
import type { ContainerEnd } from "./podObserver.ts";

const time = "2026-01-01T00:00:00Z";
const end = (over: Partial<ContainerEnd>): ContainerEnd => ({
  reason: "Completed",
  message: "",
  terminationMessage: "",
  exitCode: 0,
  ...over,
});
const report: Report = {
  v: 1,
  attempt: 1,
  podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
  outcome: "completed",
  output: { type: "application/json", key: "k", size: 7, data: '{"a":1}' },
  startedAt: time,
  finishedAt: time,
};
const mark = (outcome: string) =>
  JSON.stringify({
    v: 1,
    attempt: 1,
    podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
    startedAt: time,
    outcome,
  });

describe("a report", () => {
  test("a report counts only for its own attempt and pod", () => {
    const left = end({ terminationMessage: JSON.stringify(report) });
    expect(reportOf(left, 1, "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e")).toEqual(report);
    expect(reportOf(left, 2, "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e")).toBeUndefined();
    expect(reportOf(left, 1, "q")).toBeUndefined();
    expect(
      reportOf(end({ terminationMessage: mark("stopping") }), 1, "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e"),
    ).toBeUndefined();
  });
});

describe("a task without a report", () => {
  const task = { kind: "task" as const };

  test("a task without a report did not finish, whatever its exit code", () => {
    expect(endOfContainer(task, end({}))).toMatchObject({
      outcome: "Failed",
      reason: "NoReport",
      retryable: true,
    });
  });

  test("a task whose heap was full ran out of memory", () => {
    const line = "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory";
    const aborted = end({ exitCode: 139, reason: "Error", terminationMessage: `${line}\n 1: 0xe1 node` });
    expect(endOfContainer(task, aborted)).toMatchObject({
      outcome: "Crashed",
      reason: "OOMKilled",
      retryable: false,
    });
  });

  test("a task without a report shows the end of its log", () => {
    const terminationMessage = `${"noise\n".repeat(300)}Error: the database refused`;
    const killed = end({ exitCode: 137, reason: "Error", terminationMessage });
    expect(endOfContainer(task, killed).message).toMatch(/SIGKILL.*the database refused$/s);
  });

  test("a task without a report says that it had been asked to stop", () => {
    const stopped = end({ exitCode: 1, reason: "Error", terminationMessage: mark("stopping") });
    expect(endOfContainer(task, stopped).message).toContain("asked to stop");
  });
});

describe("a container", () => {
  const container = { kind: "container" as const };

  test.each<[string, Partial<ContainerEnd>, object]>([
    ["exit code 0", {}, { outcome: "Completed" }],
    [
      "exit code 3",
      { exitCode: 3, reason: "Error" },
      { outcome: "Failed", reason: "ExitCode", retryable: true },
    ],
    ["a signal", { exitCode: 139, reason: "Error" }, { outcome: "Crashed", reason: "Killed" }],
    [
      "no memory",
      { exitCode: 137, reason: "OOMKilled" },
      { outcome: "Crashed", reason: "OOMKilled", retryable: false },
    ],
    ["its deadline", { exitCode: 143, reason: "DeadlineExceeded" }, { outcome: "TimedOut" }],
    [
      "no start",
      { exitCode: undefined, reason: "UnexpectedAdmissionError" },
      { outcome: "Infrastructure", reason: "UnexpectedAdmissionError" },
    ],
    [
      "an eviction, whatever the code",
      { exitCode: 137, reason: "Evicted", disruption: { reason: "Evicted", message: "disk" } },
      { outcome: "Infrastructure", reason: "Evicted" },
    ],
    [
      "a cut message",
      { terminationMessage: "x".repeat(4096) },
      { outcome: "Failed", reason: "OutputTooLarge" },
    ],
  ])("a container that ended by %s has the matching outcome", (_what, over, expected) => {
    expect(endOfContainer(container, end(over))).toMatchObject(expected);
  });

  test("a container with an output completes, although its termination message was cut off", () => {
    const ref = { key: "k", size: 1, type: "application/json" };
    const cut = end({ terminationMessage: "x".repeat(4096) });
    expect(endOfContainer(container, cut, { ref, copy: 1 })).toMatchObject({
      outcome: "Completed",
      output: 1,
      outputRef: ref,
    });
  });
});
