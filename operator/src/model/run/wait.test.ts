import fc from "fast-check";
import { expect, test } from "vitest";
import type { TaskRun } from "../resources.ts";
import { currentAttempt } from "./attempts.ts";
import type { RunEvent } from "./event.ts";
import { holdsSlot, resumes } from "./phase.ts";
import {
  accepted,
  admitted,
  cancelRequested,
  ended,
  newRun,
  now,
  play,
  refusalOf,
  resumeAsked,
  resumed,
  started,
  waitBegan,
} from "./testEvents.ts";
import { transition } from "./transition.ts";
import { activeMsOf } from "./wait.ts";

const executing = play(newRun(), accepted, admitted(1), started(1));
const waiting = play(executing, waitBegan(1, 1));

test("a run that waits has no slot and keeps its attempt; it has a slot again when it goes on", () => {
  expect([executing, waiting].map(holdsSlot)).toEqual([true, false]);
  expect(currentAttempt(waiting.status)).toMatchObject({ number: 1, activeMs: 0 });
  const asked = play(waiting, resumeAsked(1, 1));
  expect([holdsSlot(asked), resumes(asked), resumes(waiting)]).toEqual([false, true, false]);
  const goesOn = play(asked, resumed(1, 2));
  expect(goesOn.status).toMatchObject({ phase: "Executing", slot: 2, reason: "Running" });
  expect(goesOn.status?.wait).toBeUndefined();
  expect(holdsSlot(goesOn)).toBe(true);
});

test("an event about an earlier wait, or one that comes twice, changes nothing", () => {
  const asked = play(waiting, resumeAsked(1, 1));
  expect(refusalOf(asked, resumeAsked(1, 1))).toContain("already");
  expect(refusalOf(waiting, resumed(1, 2))).toContain("waits on");
  expect(refusalOf(asked, resumed(1, 1))).toContain("not above");
  const second = play(asked, resumed(1, 2));
  // The answer to the first call was lost, and the call arrives once more.
  expect(refusalOf(second, waitBegan(1, 1))).toContain("slot 1 is not the run's");
  const again = play(second, waitBegan(1, 2));
  expect(refusalOf(again, resumeAsked(1, 1))).toContain("another wait");
});

test("a run that is stopped while it waits holds no slot until it is gone", () => {
  const stopping = play(waiting, cancelRequested);
  expect(stopping.status?.phase).toBe("Stopping");
  expect(holdsSlot(stopping)).toBe(false);
  expect(refusalOf(stopping, resumeAsked(1, 1))).toContain("being stopped");
  expect(holdsSlot(play(executing, cancelRequested))).toBe(true);
});

test("the next attempt counts its own time, and begins without a wait", () => {
  const retried = play(waiting, ended(1, "Infrastructure"), admitted(2), started(2));
  expect(retried.status?.wait).toBeUndefined();
  expect(currentAttempt(retried.status)).not.toHaveProperty("activeMs");
});

const start = Date.parse(now);
const at = (run: TaskRun, event: RunEvent, ms: number): TaskRun => {
  const next = transition(run, event, new Date(ms).toISOString());
  if ("refused" in next) throw new Error(next.refused);
  return { ...run, status: next.status };
};

test("what an attempt executed is the sum of its times between waits, whatever their number and length", () => {
  const spans = fc.array(fc.record({ works: fc.nat(10_000), waits: fc.nat(10 ** 7), resumes: fc.nat(500) }), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(spans, fc.nat(5_000), (all, last) => {
      let run = executing;
      let clock = start;
      let [worked, slot] = [0, 1];
      for (const { works, waits, resumes: takes } of all) {
        run = at(run, waitBegan(1, slot), clock + works);
        run = at(run, resumeAsked(1, slot), clock + works + waits);
        slot += 1;
        clock += works + waits + takes;
        run = at(run, resumed(1, slot), clock);
        worked += works;
      }
      const attempt = currentAttempt(run.status);
      expect(attempt && activeMsOf(attempt, clock + last)).toBe(worked + last);
    }),
  );
});
