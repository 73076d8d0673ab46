import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskRun, TaskRunStatus } from "../resources.ts";
import type { RunEvent } from "./event.ts";
import { currentAttempt, holdsSlot, isTerminal } from "./phase.ts";
import type { RetryPolicy } from "./retry.ts";
import { infrastructureRetryLimit } from "./retry.ts";
import { attemptsKept, transition } from "./transition.ts";

const now = "2026-01-01T00:00:00.000Z";
const later = "2026-01-01T01:00:00.000Z";
const policy: RetryPolicy = {
  maxAttempts: 3,
  factor: 2,
  minTimeoutInMs: 1000,
  maxTimeoutInMs: 60_000,
  randomize: false,
};

function newRun(spec: TaskRun["spec"] = { task: "t" }): TaskRun {
  return {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "TaskRun",
    metadata: { name: "r", namespace: "n", uid: "u", generation: 1 },
    spec,
  };
}

/** Applies events in order; a refused one is an error unless it is expected. */
function play(run: TaskRun, ...events: RunEvent[]): TaskRun {
  let current = run;
  for (const event of events) {
    const result = transition(current, event, now);
    if ("refused" in result) throw new Error(`${event.type} refused: ${result.refused}`);
    current = { ...current, status: result.status };
  }
  return current;
}

const refusal = (run: TaskRun, event: RunEvent): string => {
  const result = transition(run, event, now);
  return "refused" in result ? result.refused : "";
};

const accepted: RunEvent = { type: "Accepted" };
const admitted = (slot: number): RunEvent => ({ type: "Admitted", slot });
const started = (attempt: number): RunEvent => ({ type: "Started", attempt, podUid: `p${attempt}`, at: now });
const ended = (
  attempt: number,
  outcome: "Completed" | "Failed" | "Crashed" | "TimedOut" | "Infrastructure",
  retryable = true,
): RunEvent => ({
  type: "AttemptEnded",
  attempt,
  end: { outcome, reason: outcome, message: `It was ${outcome}.`, retryable },
  retry: policy,
  random: 0,
});
const gone = (attempt: number): RunEvent => ({ type: "ContainerGone", attempt, retry: policy, random: 0 });

describe("the life of a run", () => {
  it("goes from creation to Completed with the output", () => {
    const run = play(newRun(), accepted, admitted(1), started(1), {
      type: "AttemptEnded",
      attempt: 1,
      end: { outcome: "Completed", reason: "Completed", message: "Done.", output: { n: 3 } },
      retry: policy,
      random: 0,
    });
    expect(run.status?.phase).toBe("Completed");
    expect(run.status?.output).toEqual({ n: 3 });
    const conditions = Object.fromEntries(run.status?.conditions?.map((c) => [c.type, c.status]) ?? []);
    expect(conditions).toEqual({ Finished: "True", Complete: "True", Failed: "False", Captured: "False" });
  });

  it("waits in Delayed until delayUntil has passed", () => {
    const run = play(newRun({ task: "t", delayUntil: later }), accepted);
    expect(run.status?.phase).toBe("Delayed");
    expect(refusal(run, { type: "DelayChecked" })).toContain("not passed");
    const due = transition(run, { type: "DelayChecked" }, later);
    expect("status" in due && due.status.phase).toBe("Queued");
  });

  it("takes a debounced run's payload as it is when its delay ends, any other's as it was accepted", () => {
    const fresh = { ...accepted, payloadDigest: "first" };
    const debounce = { key: "k", delaySeconds: 5 };
    for (const [spec, digest] of [
      [{ task: "t", delayUntil: later, debounce }, "last"],
      [{ task: "t", delayUntil: later }, "first"],
    ] as const) {
      const due = transition(
        play(newRun(spec), fresh),
        { type: "DelayChecked", payloadDigest: "last" },
        later,
      );
      expect("status" in due && due.status.payloadDigest).toBe(digest);
    }
  });

  it("began when its runner says so, to the millisecond", () => {
    const end = {
      ...ended(1, "Completed"),
      end: { outcome: "Completed", reason: "Completed", message: "", startedAt: "2026-01-01T00:00:00.566Z" },
    } as const;
    const run = play(newRun(), accepted, admitted(1), started(1), end);
    expect(run.status?.startedAt).toBe("2026-01-01T00:00:00.566Z");
    expect(run.status?.attempts?.[0]?.startedAt).toBe("2026-01-01T00:00:00.566Z");
  });

  it("starts at once when delayUntil is in the past", () => {
    expect(play(newRun({ task: "t", delayUntil: "2020-01-01T00:00:00Z" }), accepted).status?.phase).toBe(
      "Queued",
    );
  });

  it("retries a failed attempt with backoff until maxAttempts", () => {
    let run = play(newRun(), accepted, admitted(1), started(1), ended(1, "Failed"));
    expect(run.status).toMatchObject({
      phase: "Queued",
      reason: "Backoff",
      nextAttemptAt: "2026-01-01T00:00:01.000Z",
    });
    expect(holdsSlot(run)).toBe(false);
    run = play(run, admitted(2), started(2), ended(2, "Crashed"));
    expect(run.status?.nextAttemptAt).toBe("2026-01-01T00:00:02.000Z");
    run = play(run, admitted(3), started(3), ended(3, "Failed"));
    expect(run.status?.phase).toBe("Failed");
    expect(run.status?.attempts?.map((a) => a.outcome)).toEqual(["Failed", "Crashed", "Failed"]);
  });

  it("does not count infrastructure failures as attempts, and bounds them", () => {
    let run = play(newRun(), accepted);
    for (let n = 1; n <= infrastructureRetryLimit; n++) {
      run = play(run, admitted(n), started(n), ended(n, "Infrastructure"));
      expect(run.status?.phase).toBe("Queued");
    }
    const failedOnce = play(run, admitted(6), started(6), ended(6, "Failed"));
    expect(failedOnce.status?.nextAttemptAt).toBe("2026-01-01T00:00:01.000Z");
    const lost = play(run, admitted(6), started(6), ended(6, "Infrastructure"));
    expect(lost.status?.phase).toBe("SystemFailure");
  });

  it("tries an out-of-memory kill once more on the larger machine, whatever maxAttempts says", () => {
    const killed = (attempt: number): RunEvent => ({
      type: "AttemptEnded",
      attempt,
      end: { outcome: "Crashed", reason: "OOMKilled", message: "Too little memory.", retryable: false },
      retry: { ...policy, maxAttempts: 1, outOfMemoryMachine: "large-1x" },
      random: 0,
    });
    const raised = play(newRun(), accepted, admitted(1), started(1), killed(1));
    expect(raised.status).toMatchObject({ phase: "Queued", reason: "Backoff", machine: "large-1x" });
    const again = play(raised, admitted(2), started(2), killed(2));
    expect(again.status?.phase).toBe("Crashed");
    expect(again.status?.attempts?.map((a) => a.machine)).toEqual([undefined, "large-1x"]);
  });

  it("takes the result of the run that used its key, before any attempt of its own and not after", () => {
    const duplicate: RunEvent = {
      type: "Duplicate",
      original: { name: "first", uid: "u0" },
      phase: "Completed",
      message: "The key was used by run first.",
      output: { n: 3 },
    };
    const run = play(newRun(), accepted, duplicate);
    expect(run.status).toMatchObject({
      phase: "Completed",
      reason: "Duplicate",
      output: { n: 3 },
      duplicateOf: { name: "first" },
    });
    expect(run.status?.conditions?.find(({ type }) => type === "Captured")?.status).toBe("True");
    expect(play(newRun(), duplicate).status?.phase).toBe("Completed");
    expect(refusal(play(newRun(), accepted, admitted(1)), duplicate)).toContain("attempt of its own");
    expect(refusal(play(newRun(), accepted), { ...duplicate, phase: "Executing" } as RunEvent)).toContain(
      "not finished",
    );
  });

  it("stays in the queue of its first admission", () => {
    const first: RunEvent = { type: "Admitted", slot: 1, queue: "a" };
    const run = play(newRun(), accepted, first, started(1), ended(1, "Failed"), {
      type: "Admitted",
      slot: 2,
      queue: "b",
    });
    expect(run.status?.queue).toBe("a");
  });

  it("does not retry what is not retryable", () => {
    expect(play(newRun(), accepted, admitted(1), ended(1, "Failed", false)).status?.phase).toBe("Failed");
  });

  it("cancels a waiting run at once and a running one through Stopping", () => {
    expect(play(newRun(), accepted, { type: "CancelRequested" }).status?.phase).toBe("Canceled");
    const stopping = play(newRun(), accepted, admitted(1), started(1), { type: "CancelRequested" });
    expect(stopping.status?.phase).toBe("Stopping");
    expect(holdsSlot(stopping)).toBe(true);
    expect(refusal(stopping, ended(1, "Completed"))).toContain("CancelRequested");
    expect(play(stopping, gone(1)).status?.phase).toBe("Canceled");
  });

  it("lets a report that came before Stopping win", () => {
    const run = play(newRun(), accepted, admitted(1), started(1), ended(1, "Completed"));
    expect(refusal(run, { type: "CancelRequested" })).toContain("Completed");
    expect(refusal(run, { type: "MaxDurationElapsed", attempt: 1, seconds: 5 })).toContain("Completed");
  });

  it("ends TimedOut after maxDuration, without a retry", () => {
    const run = play(newRun(), accepted, admitted(1), started(1), {
      type: "MaxDurationElapsed",
      attempt: 1,
      seconds: 5,
    });
    expect(run.status?.phase).toBe("Stopping");
    const ended = play(run, gone(1));
    expect(ended.status?.phase).toBe("TimedOut");
    expect(ended.status?.attempts?.[0]?.outcome).toBe("TimedOut");
  });

  it("treats a start timeout as a failed attempt with the pod's reason", () => {
    const blocked: RunEvent = {
      type: "StartTimedOut",
      attempt: 1,
      reason: "ImagePullBackOff",
      message: "no such image",
    };
    const run = play(newRun(), accepted, admitted(1), blocked, gone(1));
    expect(run.status).toMatchObject({ phase: "Queued", reason: "Backoff" });
    expect(run.status?.attempts?.[0]?.error?.name).toBe("ImagePullBackOff");
    const second = play(run, admitted(2), { ...blocked, attempt: 2 }, gone(2), admitted(3), {
      ...blocked,
      attempt: 3,
    });
    expect(play(second, gone(3)).status).toMatchObject({ phase: "Failed", reason: "ImagePullBackOff" });
  });

  it("refuses events of another attempt or another pod", () => {
    const run = play(
      newRun(),
      accepted,
      admitted(1),
      started(1),
      ended(1, "Failed"),
      admitted(2),
      started(2),
    );
    expect(refusal(run, ended(1, "Completed"))).toContain("not the current one");
    expect(refusal(run, { ...ended(2, "Completed"), podUid: "other" } as RunEvent)).toContain(
      "not the attempt's pod",
    );
  });

  it("gives a lost slot back without having spent an attempt", () => {
    const run = play(newRun(), accepted, admitted(1), { type: "SlotLost", attempt: 1 });
    expect(run.status).toMatchObject({ phase: "Queued", attempt: 0, attempts: [] });
    expect(play(run, admitted(2)).status?.attempt).toBe(1);
  });

  it("expires only before the first start", () => {
    expect(play(newRun(), accepted, { type: "TtlElapsed" }).status?.phase).toBe("Expired");
    const backoff = play(newRun(), accepted, admitted(1), started(1), ended(1, "Failed"));
    expect(refusal(backoff, { type: "TtlElapsed" })).toContain("first start");
  });

  it("captures an ended attempt once, in any phase", () => {
    const run = play(newRun(), accepted, admitted(1), started(1), ended(1, "Completed"), {
      type: "Captured",
      attempt: 1,
      logKey: "k",
    });
    expect(run.status?.conditions?.find((c) => c.type === "Captured")?.status).toBe("True");
    expect(refusal(run, { type: "Captured", attempt: 1 })).toContain("already");
  });
});

describe("for any sequence of events", () => {
  const attempt = fc.integer({ min: 1, max: 5 });
  const event: fc.Arbitrary<RunEvent> = fc.oneof(
    fc.constant(accepted),
    fc.record({ type: fc.constant("Rejected" as const), reason: fc.constant("Bad"), message: fc.string() }),
    fc.constant({ type: "DelayChecked", payloadDigest: "d" } as const),
    fc.constantFrom("Completed", "Failed", "Queued").map(
      (phase): RunEvent => ({
        type: "Duplicate",
        original: { name: "o", uid: "ou" },
        phase: phase as "Completed",
        message: "Used before.",
      }),
    ),
    fc.constant({ type: "Parked", reason: "TaskNotFound", message: "no" } as const),
    fc.record({ type: fc.constant("Admitted" as const), slot: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ type: fc.constant("SlotLost" as const), attempt }),
    fc.record({
      type: fc.constant("StartBlocked" as const),
      attempt,
      reason: fc.constant("X"),
      message: fc.string(),
    }),
    attempt.map(started),
    fc
      .tuple(
        attempt,
        fc.constantFrom(
          "Completed",
          "Failed",
          "Crashed",
          "TimedOut",
          "Infrastructure",
        ) as fc.Arbitrary<"Completed">,
        fc.boolean(),
      )
      .map(([a, outcome, retryable]) => ended(a, outcome, retryable)),
    fc.constant({ type: "CancelRequested" } as const),
    fc.record({ type: fc.constant("MaxDurationElapsed" as const), attempt, seconds: fc.constant(5) }),
    fc.record({
      type: fc.constant("StartTimedOut" as const),
      attempt,
      reason: fc.constant("X"),
      message: fc.string(),
    }),
    attempt.map(gone),
    fc.constant({ type: "TtlElapsed" } as const),
    fc.record({ type: fc.constant("Captured" as const), attempt }),
  );
  /** Mostly events that fit, so that sequences get far; the rest is noise. */
  const step = fc.oneof(
    { weight: 1, arbitrary: event.map((e) => () => e) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(event, fc.nat(3))
        .map(([e, delta]) => (status: TaskRunStatus | undefined): RunEvent => {
          if (e.type === "Admitted") return admitted((status?.slot ?? 0) + 1 + delta);
          if ("attempt" in e) return { ...e, attempt: status?.attempt ?? 1, podUid: undefined } as RunEvent;
          return e;
        }),
    },
  );

  it("never leaves a terminal phase, settles once, and holds a slot exactly while an attempt is under way", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (delayed, steps) => {
        let run = newRun(delayed ? { task: "t", delayUntil: later } : { task: "t" });
        let settled: TaskRunStatus | undefined;
        for (const make of steps) {
          const e = make(run.status);
          const before = run.status;
          const result = transition(run, e, now);
          if ("refused" in result) {
            expect(result.refused).not.toBe("");
            continue;
          }
          run = { ...run, status: result.status };
          const status = result.status;
          expect(status.revision).toBe((before?.revision ?? 0) + 1);
          expect(status.slot ?? 0).toBeGreaterThanOrEqual(before?.slot ?? 0);
          expect(holdsSlot(run)).toBe(currentAttempt(status) !== undefined);
          expect(status.attempts?.length ?? 0).toBeLessThanOrEqual(attemptsKept);
          const numbers = status.attempts?.map((a) => a.number) ?? [];
          expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
          if (settled) {
            expect(e.type).toBe("Captured");
            expect(status.phase).toBe(settled.phase);
            expect(status.finishedAt).toBe(settled.finishedAt);
            expect(status.outputRef).toEqual(settled.outputRef);
            expect(status.error).toEqual(settled.error);
          }
          const finished = status.conditions?.find((c) => c.type === "Finished")?.status;
          expect(finished).toBe(isTerminal(status.phase) ? "True" : "False");
          if (isTerminal(status.phase)) settled ??= status;
        }
      }),
      { numRuns: 3000 },
    );
  });
});
