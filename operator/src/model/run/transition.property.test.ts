import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskRunStatus } from "../resources.ts";
import { attemptsKept, currentAttempt } from "./attempts.ts";
import type { RunEvent } from "./event.ts";
import { holdsSlot, isTerminal } from "./phase.ts";
import {
  accepted,
  admitted,
  containerGone,
  ended,
  later,
  newRun,
  now,
  resumeAsked,
  resumed,
  started,
  waitBegan,
} from "./testEvents.ts";
import { transition } from "./transition.ts";

describe("a run, for any sequence of events,", () => {
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
    fc.constant({ type: "Inadmissible", reason: "TaskNotFound", message: "no" } as const),
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
      .map(([a, outcome, retryable]) => ended(a, outcome, { retryable })),
    fc.constant({ type: "CancelRequested" } as const),
    fc.record({ type: fc.constant("MaxDurationElapsed" as const), attempt, seconds: fc.constant(5) }),
    fc.record({
      type: fc.constant("StartTimedOut" as const),
      attempt,
      reason: fc.constant("X"),
      message: fc.string(),
      retry: fc.constantFrom("policy" as const, "never" as const, "infrastructure" as const, "room" as const),
    }),
    attempt.map(containerGone),
    fc
      .tuple(attempt, fc.integer({ min: 0, max: 40 }), fc.constantFrom(waitBegan, resumeAsked, resumed))
      .map(([a, slot, make]) => make(a, slot)),
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
          const slot = status?.slot ?? 0;
          if (e.type === "Resumed") return resumed(status?.attempt ?? 1, slot + delta);
          if (e.type === "WaitBegan" || e.type === "ResumeAsked")
            return { ...e, attempt: status?.attempt ?? 1, slot };
          if ("attempt" in e) return { ...e, attempt: status?.attempt ?? 1, podUid: undefined } as RunEvent;
          return e;
        }),
    },
  );

  it("a run never leaves a terminal phase, settles once, and holds a slot exactly while an attempt is under way and does not wait", () => {
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
          expect(holdsSlot(run)).toBe(currentAttempt(status) !== undefined && status.wait === undefined);
          // A slot that was given back is not held again: another one is.
          if (before?.wait && holdsSlot(run)) expect(status.slot).toBeGreaterThan(before.slot ?? 0);
          if (status.wait) expect(["Waiting", "Stopping"]).toContain(status.phase);
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
