import fc from "fast-check";
import { expect, test } from "vitest";
import { transition } from "../../../model/run/transition.ts";
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
