import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { phases } from "../schema/taskRun.ts";
import { type ItemState, itemStateOf, planBatch, type StopReason } from "./plan.ts";

const states = (...list: ItemState[]): ItemState[] => list;

describe("planBatch", () => {
  test("all runs are created at once without maxConcurrency", () => {
    const plan = planBatch({ states: states("missing", "open", "missing") });
    expect(plan).toMatchObject({ create: [0, 2], room: 2, createdThrough: 0, finished: false });
    expect(plan.counts).toEqual({ total: 3, created: 1, running: 1, completed: 0, failed: 0, canceled: 0 });
  });

  test("there is no room while maxConcurrency runs or more are open", () => {
    const all = states("open", "completed", "open", "missing", "missing");
    expect(planBatch({ states: all, maxConcurrency: 3 })).toMatchObject({ room: 1, createdThrough: 3 });
    expect(planBatch({ states: all, maxConcurrency: 2 }).room).toBe(0);
    expect(planBatch({ states: all, maxConcurrency: 1 }).room).toBe(0);
  });

  test("another's run takes no room, and is waited for", () => {
    const plan = planBatch({ states: states("cached", "missing"), maxConcurrency: 1 });
    expect(plan).toMatchObject({ room: 1, counts: { running: 1 }, finished: false });
    expect(planBatch({ states: states("cached", "completed") }).finished).toBe(false);
  });

  test("a canceled batch creates nothing and waits for its own runs only", () => {
    const waiting = planBatch({ states: states("open", "missing", "cached"), stopReason: "Canceled" });
    expect(waiting).toMatchObject({ create: [], room: 0, finished: false });
    expect(waiting.counts).toMatchObject({ running: 1, canceled: 2, created: 2 });
    const ended = planBatch({ states: states("canceled", "missing", "cached"), stopReason: "Canceled" });
    expect(ended).toMatchObject({ finished: true, counts: { running: 0, canceled: 3 } });
  });

  test("items that changed get no run and count as failed", () => {
    const plan = planBatch({ states: states("completed", "missing"), stopReason: "ItemsChanged" });
    expect(plan).toMatchObject({ create: [], finished: true, counts: { completed: 1, failed: 1 } });
  });

  test("a batch without items has finished", () => {
    expect(planBatch({ states: [] })).toMatchObject({ finished: true, createdThrough: 0 });
  });
});

/** Runs that exist, by name: what the API server would have after whatever crashed when. */
class BatchSimulation {
  readonly runs = new Map<number, ItemState>();
  readonly rejected = new Set<number>();
  readonly made = new Map<number, number>();
  stopReason: StopReason | undefined;
  readonly #invalid: ReadonlySet<number>;

  readonly total: number;
  readonly maxConcurrency: number | undefined;

  constructor(total: number, invalid: ReadonlySet<number>, maxConcurrency: number | undefined) {
    this.total = total;
    this.#invalid = invalid;
    this.maxConcurrency = maxConcurrency;
  }

  view() {
    const { maxConcurrency, stopReason } = this;
    const all = Array.from({ length: this.total }, (_, index): ItemState => {
      return this.runs.get(index) ?? (this.rejected.has(index) ? "failed" : "missing");
    });
    return { states: all, maxConcurrency, stopReason };
  }

  get open(): number {
    return [...this.runs.values()].filter((state) => state === "open").length;
  }

  /** One pass; a crash ends it after so many creations, with what was rejected forgotten. */
  pass(crashAfter: number): void {
    const plan = planBatch(this.view());
    const rejected: number[] = [];
    let { room } = plan;
    for (const index of plan.create) {
      if (room === 0) break;
      if (crashAfter-- === 0) return;
      if (this.#invalid.has(index)) rejected.push(index);
      else {
        expect(this.runs.has(index)).toBe(false);
        this.runs.set(index, "open");
        this.made.set(index, (this.made.get(index) ?? 0) + 1);
        room -= 1;
      }
    }
    for (const index of rejected) this.rejected.add(index);
  }

  finish(nth: number): void {
    const open = [...this.runs].filter(([, state]) => state === "open");
    const [index] = open[nth % Math.max(1, open.length)] ?? [];
    if (index !== undefined) this.runs.set(index, nth % 3 === 0 ? "failed" : "completed");
  }
}

test("whatever crashes, each item gets one run, and never are more open than allowed", () => {
  const step = fc.oneof(
    fc.record({ pass: fc.nat({ max: 12 }) }),
    fc.record({ finish: fc.nat({ max: 50 }) }),
    fc.record({ cancel: fc.constant(true) }),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 40 }),
      fc.uniqueArray(fc.nat({ max: 39 }), { maxLength: 12 }),
      fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      fc.array(step, { maxLength: 60 }),
      fc.boolean(),
      (total, invalid, maxConcurrency, steps, mayCancel) => {
        const simulation = new BatchSimulation(total, new Set(invalid), maxConcurrency);
        for (const one of steps) {
          if ("pass" in one) simulation.pass(one.pass);
          else if ("finish" in one) simulation.finish(one.finish);
          else if (mayCancel) simulation.stopReason = "Canceled";
          expect(simulation.open).toBeLessThanOrEqual(maxConcurrency ?? total);
        }
        for (let left = 0; !planBatch(simulation.view()).finished; left++) {
          expect(left, "the plan terminates").toBeLessThanOrEqual(2 * total + 2);
          simulation.pass(-1);
          simulation.finish(left);
        }
        const { counts } = planBatch(simulation.view());
        expect(counts.completed + counts.failed + counts.canceled).toBe(total);
        expect([...simulation.made.values()].every((times) => times === 1)).toBe(true);
        if (!simulation.stopReason) {
          const valid = Array.from({ length: total }, (_, i) => i).filter((i) => !invalid.includes(i));
          expect([...simulation.made.keys()].sort((a, b) => a - b)).toEqual(valid);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("a run's phase is open until it is terminal", () => {
  const of = (state: ItemState) => phases.filter((phase) => itemStateOf(phase) === state);
  expect(of("open")).toEqual(["Delayed", "Queued", "Starting", "Executing", "Waiting", "Stopping"]);
  expect(of("completed")).toEqual(["Completed"]);
  expect(of("canceled")).toEqual(["Canceled"]);
  expect(of("failed")).toEqual(["Expired", "Failed", "Crashed", "TimedOut", "SystemFailure"]);
  expect(itemStateOf(undefined)).toBe("open");
});
