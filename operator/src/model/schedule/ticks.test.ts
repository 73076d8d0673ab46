import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TaskScheduleSpec } from "../resources.ts";
import { CronExpression } from "./cron.ts";
import { onTimeMs, planTicks, tickLimit } from "./ticks.ts";

const minute = 60_000;
const start = Date.UTC(2026, 0, 1);
const every = new CronExpression("* * * * *");
const at = (n: number): number => start + n * minute;
const plan = (from: number, to: number, policy: Pick<TaskScheduleSpec, "catchUp" | "catchUpLimit"> = {}) =>
  planTicks(every, from, to, policy);

describe("planTicks", () => {
  it("ticks since the last plan are due, on time or at most two minutes late", () => {
    expect(plan(at(0), at(1))).toMatchObject({ due: [at(1)], missed: 0 });
    expect(plan(at(0), at(2) + 59_000)).toMatchObject({ due: [at(1), at(2)], missed: 0 });
    expect(plan(at(0), at(0) + 59_000)).toMatchObject({ due: [], missed: 0 });
  });

  it("ticks that are too late are skipped or caught up, as the policy says", () => {
    expect(plan(at(0), at(10))).toMatchObject({ due: [at(8), at(9), at(10)], missed: 7 });
    expect(plan(at(0), at(10), { catchUp: "last" })).toMatchObject({
      due: [at(8), at(9), at(10)],
      missed: 7,
    });
    expect(plan(at(0), at(10), { catchUp: "all" }).due).toHaveLength(10);
    expect(plan(at(0), at(10), { catchUp: "all", catchUpLimit: 2 })).toMatchObject({
      due: [at(6), at(7), at(8), at(9), at(10)],
      missed: 5,
    });
    const daily = new CronExpression("0 0 * * *");
    const late = start + 3 * 24 * 60 * minute + 10 * minute;
    expect(planTicks(daily, start, late, { catchUp: "last" })).toMatchObject({
      due: [start + 3 * 24 * 60 * minute],
      missed: 2,
    });
  });

  it.each([
    ["0 2 * * *", 5, true],
    ["0 2 * * *", 59, true],
    ["0 2 * * *", 61, false],
    ["0 * * * *", 6, true],
    ["0 * * * *", 7, false],
    ["*/10 * * * *", 2, true],
    ["*/10 * * * *", 3, false],
    ["0 2 1 1 *", 60, true],
  ])("a tick of %s that is %i minutes late is on time: %s", (expression, minutes, isOnTime) => {
    const cron = new CronExpression(expression);
    const [tick = 0] = cron.after(start, 1);
    expect(planTicks(cron, tick - 1, tick + minutes * minute, {})).toMatchObject(
      isOnTime ? { due: [tick], missed: 0 } : { due: [], missed: 1 },
    );
  });

  it("ticks of a very long time are planned in parts, and catchUp has as many as it may", () => {
    const policy = { catchUp: "all", catchUpLimit: 1000 } as const;
    for (const ticks of [tickLimit + 1, tickLimit + 50, 3 * tickLimit]) {
      let [settled, missed, rounds, due] = [start, 0, 0, [] as number[]];
      for (let more = true; more; rounds++) {
        const part = plan(settled, at(ticks), policy);
        expect(part.due.length === 0 || !part.more).toBe(true);
        [settled, missed, due, more] = [part.settledMs, missed + part.missed, part.due, part.more];
      }
      // Three more are on time.
      expect(due).toHaveLength(1003);
      expect(due.at(-1)).toBe(at(ticks));
      expect(due.length + missed).toBe(ticks);
      expect(rounds).toBeLessThan(6);
    }
  });
});

it("each tick is due or missed exactly once, whenever planTicks is called", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1_000, max: 20 * minute }), { minLength: 1, maxLength: 20 }),
      fc.constantFrom("none", "last", "all") as fc.Arbitrary<"none" | "last" | "all">,
      fc.integer({ min: 1, max: 5 }),
      (steps, catchUp, catchUpLimit) => {
        let [settled, now, due, missed] = [start, start, [] as number[], 0];
        for (const step of steps) {
          now += step;
          const next = planTicks(every, settled, now, { catchUp, catchUpLimit });
          for (const tick of next.due) expect(tick).toBeGreaterThan(settled);
          due = [...due, ...next.due];
          missed += next.missed;
          settled = next.settledMs;
        }
        expect(new Set(due).size).toBe(due.length);
        expect(due).toEqual([...due].sort((a, b) => a - b));
        expect(due.length + missed).toBe(Math.floor((now - start) / minute));
        if (Math.max(...steps) <= onTimeMs) expect(missed).toBe(0);
      },
    ),
  );
});
