import { currentApiVersion } from "@fairlead/protocol/status";
import { describe, expect, it } from "vitest";
import { apiVersion, type Phase, type TaskRun } from "../../../model/resources.ts";
import { filterOf } from "./runFilter.ts";
import { commonFields, runObject } from "./runObject.ts";
import { statusFor, statusOf } from "./status.ts";

const run = (
  phase: Phase | undefined,
  more: Partial<TaskRun["status"]> = {},
  spec: Partial<TaskRun["spec"]> = {},
): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { name: "abc", namespace: "n", uid: "u", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec: { task: "t", ...spec },
  status: phase && { phase, ...more },
});

describe("the status of a run", () => {
  const cases: [Phase, string, string, object][] = [
    ["Delayed", "DELAYED", "DELAYED", { isQueued: true, isCompleted: false }],
    ["Queued", "QUEUED", "QUEUED", { isQueued: true }],
    ["Starting", "DEQUEUED", "EXECUTING", { isExecuting: true }],
    ["Executing", "EXECUTING", "EXECUTING", { isExecuting: true }],
    ["Stopping", "EXECUTING", "EXECUTING", { isExecuting: true, isCompleted: false }],
    ["Waiting", "WAITING", "FROZEN", { isWaiting: true }],
    ["Completed", "COMPLETED", "COMPLETED", { isCompleted: true, isSuccess: true, isFailed: false }],
    ["Canceled", "CANCELED", "CANCELED", { isCompleted: true, isCancelled: true, isFailed: false }],
    ["Failed", "FAILED", "FAILED", { isCompleted: true, isFailed: true }],
    ["Crashed", "CRASHED", "CRASHED", { isCompleted: true, isFailed: true }],
    ["TimedOut", "TIMED_OUT", "TIMED_OUT", { isCompleted: true, isFailed: true }],
    ["Expired", "EXPIRED", "EXPIRED", { isCompleted: true, isFailed: true }],
    ["SystemFailure", "SYSTEM_FAILURE", "SYSTEM_FAILURE", { isCompleted: true, isFailed: true }],
  ];
  it.each(cases)("a run in phase %s is %s, and %s to older clients", (phase, now, then, flags) => {
    expect(commonFields(run(phase), currentApiVersion)).toMatchObject({ status: now, ...flags });
    expect(commonFields(run(phase), undefined)).toMatchObject({ status: then, ...flags });
  });

  it("a run without a phase is queued or delayed, and one without a Task waits for its version", () => {
    expect(statusOf(run(undefined))).toBe("QUEUED");
    expect(statusOf(run(undefined, {}, { delayUntil: "2100-01-01T00:00:00Z" }))).toBe("DELAYED");
    expect(statusOf(run("Queued", { reason: "TaskNotFound" }))).toBe("PENDING_VERSION");
    expect(statusFor("PENDING_VERSION", "2024-01-01")).toBe("WAITING_FOR_DEPLOY");
  });
});

it("a run object has all that clients require, and its error and attempts", () => {
  const attempt = { number: 1, job: "abc-1", slot: 1, admittedAt: "2026-01-01T00:00:01Z" };
  const failed = run("Failed", {
    attempt: 1,
    startedAt: "2026-01-01T00:00:02Z",
    finishedAt: "2026-01-01T00:00:05Z",
    error: { name: "PaymentError", message: "declined", stack: "at x" },
    attempts: [
      {
        ...attempt,
        startedAt: "2026-01-01T00:00:02Z",
        finishedAt: "2026-01-01T00:00:05Z",
        outcome: "Failed",
      },
    ],
  });
  expect(runObject(failed, currentApiVersion, { output: undefined, payload: { a: 1 } })).toMatchObject({
    id: "run_abc",
    payload: { a: 1 },
    durationMs: 3000,
    costInCents: 0,
    baseCostInCents: 0,
    tags: [],
    error: { name: "PaymentError", message: "declined", stackTrace: "at x" },
    attemptCount: 1,
    attempts: [{ id: "attempt_abc-1", status: "FAILED", completedAt: "2026-01-01T00:00:05Z" }],
    relatedRuns: {},
  });
});

describe("a filter of the list of runs", () => {
  const one = run(
    "Starting",
    { queue: "mail" },
    { tags: ["a"], machine: "micro", batch: { name: "b", index: 1 } },
  );
  it.each([
    ["filter[status]", "DEQUEUED,FAILED", true],
    ["filter[status]", "EXECUTING", false],
    ["filter[taskIdentifier]", "t", true],
    ["filter[tag]", "b,a", true],
    ["filter[tag]", "b", false],
    ["filter[queue]", "mail", true],
    ["filter[queue]", "task/t", false],
    ["filter[batch]", "batch_b", true],
    ["filter[isTest]", "true", false],
    ["filter[createdAt][from]", "1735689600000", true],
    ["filter[createdAt][to]", "2025-01-01T00:00:00Z", false],
  ])("a run matches, or does not match, %s=%s", (name, value, fits) =>
    expect(filterOf({ [name]: value })(one)).toBe(fits),
  );

  it.each([
    ["filter[foo]", "1", /^filter\[foo\]: not supported: use page\[size\], /],
    ["filter[statsu]", "1", /^filter\[statsu\]: not supported: use filter\[status\]$/],
    ["status", "FAILED", /^status: not supported: use filter\[status\]$/],
    ["limit", "5", /^limit: not supported: use page\[size\], /],
    ["filter[status]", "DONE", /^filter\[status\]: "DONE" is none of its values: use .*COMPLETED.*FAILED/],
    ["filter[status]", "COMPLETED,completd", /"completd" is none of its values: use COMPLETED$/],
    ["filter[status]", "toString", /none of its values/],
    ["filter[machine]", "huge", /use micro, small-1x/],
    ["filter[isTest]", "yes", /^filter\[isTest\]: "yes" is none of its values: use true, false$/],
    ["filter[createdAt][period]", "x", /^filter\[createdAt\]\[period\]/],
    ["filter[createdAt][from]", "x", /not a valid time/],
    ["filter[createdAt][from]", "1767225600", /not a valid time: give milliseconds/],
    ["filter[createdAt][to]", "2026-02-30T00:00:00Z", /not a valid time/],
  ])("%s=%s is refused, and what would be right is named", (name, value, message) => {
    expect(() => filterOf({ [name]: value })).toThrow(message);
  });

  it("times that no run can match are refused", () => {
    const [from, to] = ["2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"];
    expect(() => filterOf({ "filter[createdAt][from]": from, "filter[createdAt][to]": to })).toThrow(
      /later than/,
    );
  });
});
