import { expect, test } from "vitest";
import type { TaskRun, TaskRunStatus } from "../../model/resources.ts";
import type { CachedRun } from "./cache.ts";
import { eventsBetween } from "./runEvents.ts";

const at = "2026-01-01T00:00:00Z";
const attempt = { number: 1, job: "r-1", slot: 1, admittedAt: at };

function eventsOf(before: TaskRunStatus | undefined, after: TaskRunStatus): string[] {
  const run = (status: TaskRunStatus | undefined) =>
    ({ metadata: { name: "r" }, spec: {}, status }) as TaskRun;
  return eventsBetween(before && run(before), run(after)).map(({ type, reason }) => `${type} ${reason}`);
}

const queued: TaskRunStatus = { revision: 1, phase: "Queued", reason: "Queued", queuedAt: at };
const executing: TaskRunStatus = {
  ...queued,
  revision: 3,
  phase: "Executing",
  reason: "Running",
  attempts: [{ ...attempt, startedAt: at }],
};

test("a whole life that is seen in one step has its Events in order", () => {
  const attempts = [{ ...attempt, startedAt: at, outcome: "Completed" as const }];
  const status: TaskRunStatus = {
    ...executing,
    revision: 4,
    phase: "Completed",
    reason: "Completed",
    attempts,
  };
  expect(eventsOf(undefined, status)).toEqual([
    "Normal Queued",
    "Normal Starting",
    "Normal Started",
    "Normal Completed",
  ]);
  expect(eventsOf(executing, status)).toEqual(["Normal Completed"]);
});

test("a state that did not change has no Events", () => {
  expect(eventsOf(executing, executing)).toEqual([]);
});

test("a failed attempt is a warning, its backoff is none", () => {
  const attempts = [{ ...attempt, startedAt: at, outcome: "Failed" as const, exitCode: 3 }];
  const status: TaskRunStatus = { ...queued, revision: 4, reason: "Backoff", message: "later", attempts };
  expect(eventsOf(executing, status)).toEqual(["Warning AttemptFailed", "Normal Backoff"]);
});

test("what keeps a run from starting is a warning", () => {
  const inadmissible: TaskRunStatus = { ...queued, revision: 2, reason: "TaskNotFound", message: "no Task" };
  expect(eventsOf(queued, inadmissible)).toEqual(["Warning TaskNotFound"]);
  const blocked: TaskRunStatus = {
    ...executing,
    phase: "Starting",
    reason: "ImagePullBackOff",
    message: "no image",
    attempts: [attempt],
  };
  expect(eventsOf({ ...blocked, revision: 2, reason: "Admitted" }, blocked)).toEqual([
    "Warning ImagePullBackOff",
  ]);
});

test("a canceled run is no warning, a timed-out one is", () => {
  const stopping: TaskRunStatus = { ...executing, revision: 4, phase: "Stopping", reason: "CancelRequested" };
  expect(eventsOf(executing, stopping)).toEqual(["Normal Stopping"]);
  expect(eventsOf(stopping, { ...stopping, revision: 5, phase: "Canceled" })).toEqual(["Normal Canceled"]);
  expect(eventsOf(stopping, { ...stopping, revision: 5, phase: "TimedOut" })).toEqual(["Warning TimedOut"]);
});

test("a queue that nothing declares is reported once", () => {
  const condition = { type: "QueueDeclared", status: "False" as const, reason: "QueueUndeclared" };
  const conditions = [{ ...condition, message: "No TaskQueue …", lastTransitionTime: at }];
  expect(eventsOf(undefined, { ...queued, conditions })).toEqual([
    "Warning QueueUndeclared",
    "Normal Queued",
  ]);
  expect(eventsOf({ ...queued, conditions }, { ...executing, conditions })).toEqual([
    "Normal Starting",
    "Normal Started",
  ]);
});

test("a payload that is edited after the start is told once as ignored", () => {
  const run = (status: TaskRunStatus, sha256: string): CachedRun =>
    ({
      metadata: { name: "r" },
      spec: {},
      payload: { bytes: 1, sha256 },
      status: { ...status, payloadDigest: "accepted" },
    }) as unknown as CachedRun;
  const completed: TaskRunStatus = { ...executing, phase: "Completed" };
  const told = (status: TaskRunStatus, from: string, to: string): string[] =>
    eventsBetween(run(status, from), run(status, to)).map(({ reason }) => reason);
  for (const status of [executing, completed]) {
    expect(told(status, "accepted", "edited")).toEqual(["PayloadIgnored"]);
    expect(told(status, "edited", "edited")).toEqual([]);
    expect(told(status, "edited", "accepted")).toEqual([]);
  }
  expect(told(queued, "accepted", "edited")).toEqual([]);
});

test("what keeps a run from being accepted or admitted is an Event", () => {
  const why = { reason: "QuotaExceeded", message: "exceeded quota" };
  expect(eventsOf(undefined, { revision: 1, ...why })).toEqual(["Warning QuotaExceeded"]);
  expect(eventsOf(queued, { ...queued, revision: 2, ...why })).toEqual(["Warning QuotaExceeded"]);
  const closed = { ...queued, revision: 2, reason: "AdmissionClosed", message: "Redis does not answer." };
  expect(eventsOf(queued, closed)).toEqual(["Warning AdmissionClosed"]);
});
