import { describe, expect, it, test } from "vitest";
import type { TaskRunStatus } from "../resources.ts";
import type { AttemptEnd, RunEvent } from "./event.ts";
import { holdsSlot } from "./phase.ts";
import type { RetryPolicy } from "./retry.ts";
import {
  accepted,
  admitted,
  cancelRequested,
  containerGone,
  ended,
  maxDurationElapsed,
  newRun,
  play,
  retry,
  started,
  startTimedOut,
} from "./testEvents.ts";

const executing = play(newRun(), accepted, admitted(1), started(1));

describe("an attempt's end", () => {
  const outOfMemory = { reason: "OOMKilled", retryable: false };
  const larger = { outOfMemoryMachine: "large-1x" } as const;

  const rows: [string, AttemptEnd["outcome"], Partial<AttemptEnd>, Partial<RetryPolicy>, TaskRunStatus][] = [
    [
      "Completed finishes the run with its output",
      "Completed",
      { output: 1 },
      {},
      { phase: "Completed", output: 1 },
    ],
    ["TimedOut finishes the run without a retry", "TimedOut", {}, {}, { phase: "TimedOut" }],
    ["Failed is tried again", "Failed", {}, {}, { phase: "Queued", reason: "Backoff" }],
    ["Crashed is tried again", "Crashed", {}, {}, { phase: "Queued", reason: "Backoff" }],
    [
      "Failed finishes the run when it is not retryable",
      "Failed",
      { retryable: false },
      {},
      { phase: "Failed" },
    ],
    [
      "Failed is tried again when its code asks for it, whatever maxAttempts says",
      "Failed",
      { retryable: true, retryDelayMs: 5000 },
      { maxAttempts: 1 },
      { phase: "Queued", reason: "Backoff", message: expect.stringContaining("in 5.0 s") },
    ],
    [
      "Failed that is not retryable is not, whatever else the report says",
      "Failed",
      { retryable: false, retryDelayMs: 5000 },
      {},
      { phase: "Failed" },
    ],
    ["Failed finishes the run after the last attempt", "Failed", {}, { maxAttempts: 1 }, { phase: "Failed" }],
    [
      "Crashed finishes the run after the last attempt",
      "Crashed",
      {},
      { maxAttempts: 1 },
      { phase: "Crashed" },
    ],
    [
      "out of memory finishes the run without a larger machine",
      "Crashed",
      outOfMemory,
      {},
      { phase: "Crashed" },
    ],
    [
      "out of memory is tried again on the larger machine, whatever maxAttempts says",
      "Crashed",
      outOfMemory,
      { ...larger, maxAttempts: 1 },
      { phase: "Queued", machine: "large-1x" },
    ],
    [
      "Infrastructure is tried again, whatever maxAttempts says",
      "Infrastructure",
      { retryable: false },
      { maxAttempts: 1 },
      { phase: "Queued", infrastructureRetries: 1 },
    ],
  ];

  test.each(rows)("%s", (_title, outcome, end, policy, expected) => {
    expect(play(executing, ended(1, outcome, end, policy)).status).toMatchObject(expected);
  });

  it("frees the slot and waits for its backoff, doubled each time, until maxAttempts", () => {
    let run = play(executing, ended(1, "Failed"));
    expect(run.status?.nextAttemptAt).toBe("2026-01-01T00:00:01.000Z");
    expect(holdsSlot(run)).toBe(false);
    run = play(run, admitted(2), started(2), ended(2, "Crashed"));
    expect(run.status?.nextAttemptAt).toBe("2026-01-01T00:00:02.000Z");
    run = play(run, admitted(3), started(3), ended(3, "Failed"));
    expect(run.status?.phase).toBe("Failed");
    expect(run.status?.attempts?.map((a) => a.outcome)).toEqual(["Failed", "Crashed", "Failed"]);
  });

  it("an attempt that the infrastructure ended does not count; such losses are bounded", () => {
    let run = play(newRun(), accepted);
    for (let n = 1; n <= 5; n++) {
      run = play(run, admitted(n), started(n), ended(n, "Infrastructure"));
      expect(run.status?.phase).toBe("Queued");
    }
    const failedOnce = play(run, admitted(6), started(6), ended(6, "Failed"));
    expect(failedOnce.status?.nextAttemptAt).toBe("2026-01-01T00:00:01.000Z");
    const lost = play(run, admitted(6), started(6), ended(6, "Infrastructure"));
    expect(lost.status?.phase).toBe("SystemFailure");
  });

  it("an image that cannot be pulled is tried fifteen times, with the slot for others in between", () => {
    let run = play(newRun(), accepted);
    const pull = { reason: "ErrImagePull", error: { name: "ErrImagePull", message: "i/o timeout" } };
    for (let n = 1; n <= 15; n++) {
      run = play(run, admitted(n), ended(n, "Infrastructure", pull));
      expect([run.status?.phase, holdsSlot(run)]).toEqual(["Queued", false]);
    }
    expect(run.status?.message).toBe(
      "Attempt 15 ended: It was Infrastructure. Next attempt in 30.0 s, at 2026-01-01T00:00:30.000Z.",
    );
    expect(play(run, admitted(16), ended(16, "Infrastructure", pull)).status?.phase).toBe("SystemFailure");
    // Losses of another kind count by themselves.
    expect(play(run, admitted(16), ended(16, "Infrastructure")).status?.phase).toBe("Queued");
  });

  it("raises the machine once: the second time without memory finishes the run", () => {
    const killed = (attempt: number): RunEvent =>
      ended(attempt, "Crashed", outOfMemory, { ...larger, maxAttempts: 1 });
    const run = play(executing, killed(1), admitted(2), killed(2));
    expect(run.status?.phase).toBe("Crashed");
    expect(run.status?.attempts?.map((a) => a.machine)).toEqual([undefined, "large-1x"]);
  });

  it("an attempt's end sets when the run began as its runner reports it, to the millisecond", () => {
    const startedAt = "2026-01-01T00:00:00.566Z";
    const run = play(executing, ended(1, "Completed", { startedAt }));
    expect(run.status?.startedAt).toBe(startedAt);
    expect(run.status?.attempts?.[0]?.startedAt).toBe(startedAt);
  });

  it("an attempt's end does not erase what is known of its pod", () => {
    const run = play(executing, { ...ended(1, "Completed"), pod: "r-1-x" } as RunEvent);
    expect(run.status?.attempts?.[0]).toMatchObject({ pod: "r-1-x", podUid: "p1" });
  });
});

describe("a stopped attempt", () => {
  it("a stopped attempt ends Canceled, without an error", () => {
    const run = play(executing, cancelRequested, { ...containerGone(1), exitCode: 143 } as RunEvent);
    expect(run.status).toMatchObject({
      phase: "Canceled",
      attempts: [{ outcome: "Canceled", exitCode: 143 }],
    });
    expect(run.status?.error).toBeUndefined();
    expect(run.status?.stop).toBeUndefined();
  });

  it("a stopped attempt ends TimedOut after maxDuration, without a retry", () => {
    const run = play(executing, maxDurationElapsed(1), containerGone(1));
    expect(run.status).toMatchObject({ phase: "TimedOut", error: { name: "MaxDurationExceeded" } });
    expect(run.status?.attempts?.[0]?.outcome).toBe("TimedOut");
  });

  const noRoom: RunEvent = {
    ...{ type: "StartTimedOut", attempt: 1, retry: "room" },
    ...{ reason: "Unschedulable", message: "No node has room." },
  };

  it("an attempt without a container that found no room does not count, and is made again under its number", () => {
    const waiting = play(newRun(), accepted, admitted(1), noRoom, {
      ...{ type: "ContainerGone", attempt: 1, retry, random: 0 },
    });
    expect(waiting.status).toMatchObject({
      ...{ phase: "Queued", reason: "Unschedulable", attempt: 0, attempts: [], slot: 1 },
      message: "No node has room. Asks again in 5 s.",
    });
    expect(waiting.status?.stop).toBeUndefined();
    const again = play(waiting, admitted(2));
    expect(again.status).toMatchObject({
      phase: "Starting",
      attempt: 1,
      attempts: [{ job: "r-1", slot: 2 }],
    });
  });

  it("an attempt that got a node while it was stopped for want of room was lost, not failed", () => {
    const lost = play(newRun(), accepted, admitted(1), noRoom, {
      ...{ type: "ContainerGone", attempt: 1, retry, random: 0, podUid: "p1", exitCode: 137 },
    });
    expect(lost.status).toMatchObject({ phase: "Queued", reason: "Backoff", infrastructureRetries: 1 });
    expect(lost.status?.attempts?.[0]?.outcome).toBe("Infrastructure");
  });

  it("a stopped attempt counts as failed with the pod's reason after a start timeout, and is tried again", () => {
    const run = play(newRun(), accepted, admitted(1), startTimedOut(1), containerGone(1));
    expect(run.status).toMatchObject({ phase: "Queued", reason: "Backoff" });
    expect(run.status?.attempts?.[0]?.error?.name).toBe("ImagePullBackOff");
    const last = play(run, admitted(2), startTimedOut(2), containerGone(2), admitted(3), startTimedOut(3));
    expect(play(last, containerGone(3)).status).toMatchObject({
      phase: "Failed",
      reason: "ImagePullBackOff",
    });
  });
});
