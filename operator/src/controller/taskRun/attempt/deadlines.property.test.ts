import fc from "fast-check";
import { expect, test } from "vitest";
import type { TaskRun } from "../../../model/resources.ts";
import type { RunEvent } from "../../../model/run/event.ts";
import { transition } from "../../../model/run/transition.ts";
import { extendedDeadline } from "./deadline.ts";
import { decide } from "./decide.ts";
import { job, pending, podIn, podRef, second, starting, time, viewOf } from "./testViews.ts";

/** Seconds; the clock of a node is up to an hour off. */
const skew = fc.integer({ min: -3600, max: 3600 });
const event = (decision: object): string | undefined =>
  "event" in decision ? (decision.event as { type: string }).type : undefined;

test("no attempt is stopped before maxDuration has passed since its start was observed, whatever its node's clock says", () => {
  fc.assert(
    fc.property(skew, fc.nat(299), fc.nat(200), (off, observed, after) => {
      const started = { type: "Started", attempt: 1, at: time(observed + off), ...podRef } as const;
      const next = transition(starting, started, time(observed));
      if ("refused" in next) throw new Error(next.refused);
      const running = podIn({ state: "running", startedAt: time(observed + off) });
      const run = { ...starting, status: next.status };
      const decided = event(decide(viewOf(run, observed + after, { pod: running })));
      expect(decided).toBe(after < 60 ? undefined : "MaxDurationElapsed");
      const { startedAt = "", admittedAt } = next.status.attempts?.[0] ?? { admittedAt: "" };
      expect(startedAt >= admittedAt && startedAt <= time(observed + 1)).toBe(true);
    }),
  );
});

test("no start times out before startTimeoutSeconds have passed since its Job was made, and none without a Job", () => {
  fc.assert(
    fc.property(fc.integer({ min: -3600, max: 3600 }), fc.nat(4000), fc.boolean(), (made, now, hasPod) => {
      const created = {
        ...job(),
        metadata: { ...job().metadata, creationTimestamp: new Date(second(made)) },
      };
      const seen = hasPod ? { pod: pending } : {};
      const due = Math.max(made, 0) + 30;
      const decided = event(decide(viewOf(starting, now, { job: created, ...seen })));
      expect(decided).toBe(now < due ? undefined : "StartTimedOut");
      expect(decide(viewOf(starting, now))).toMatchObject({ do: "createJob" });
    }),
  );
});

test("an attempt is stopped when it has executed for maxDuration, and never while it waits; its Job's deadline leaves it that time", () => {
  const span = fc.record({ works: fc.nat(40), waits: fc.nat(20_000) });
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 5 }), fc.nat(100), (spans, last) => {
      const observe = { type: "Started", attempt: 1, at: time(0), ...podRef } as const;
      let run = apply(starting, observe, 0);
      let deadline = 30 + 60 + 30 + 60;
      let [clock, worked, slot] = [0, 0, 1];
      const look = (seconds: number): string | undefined => {
        const known = { ...job(), spec: { activeDeadlineSeconds: deadline, template: {} } };
        const begun = { ...known, status: { startTime: new Date(second(0)) } };
        const view = viewOf(run, seconds, {
          job: begun,
          pod: podIn({ state: "running", startedAt: time(0) }),
        });
        const decision = decide(view);
        if (!("do" in decision)) return event(decision);
        expect(decision.do).toBe("extendDeadline");
        deadline = extendedDeadline(view) ?? 0;
        return event(
          decide({ ...view, job: { ...begun, spec: { ...known.spec, activeDeadlineSeconds: deadline } } }),
        );
      };
      for (const { works, waits } of spans) {
        if (worked + works >= 60) break;
        run = apply(run, { type: "WaitBegan", attempt: 1, slot, message: "" }, clock + works);
        worked += works;
        for (let waited = 0; waited < waits; waited += 3_000) {
          expect(look(clock + works + waited)).toBe(undefined);
          expect(deadline).toBeGreaterThanOrEqual(clock + works + waited + (60 - worked) + 90);
        }
        clock += works + waits;
        run = apply(run, { type: "ResumeAsked", attempt: 1, slot }, clock);
        slot += 1;
        run = apply(run, { type: "Resumed", attempt: 1, slot }, clock);
      }
      expect(look(clock + last)).toBe(worked + last < 60 ? undefined : "MaxDurationElapsed");
    }),
  );
});

function apply(run: TaskRun, what: RunEvent, seconds: number): TaskRun {
  const next = transition(run, what, time(seconds));
  if ("refused" in next) throw new Error(next.refused);
  return { ...run, status: next.status };
}
