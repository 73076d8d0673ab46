import { expect, test } from "vitest";
import type { TaskQueue, TaskRun } from "../../model/resources.ts";
import { accepted, admitted, newRun, play } from "../../model/run/testEvents.ts";
import { transition } from "../../model/run/transition.ts";
import { staleRuns } from "./waitingRuns.ts";

const start = Date.parse("2026-01-01T00:00:00Z");

/** A queue with runs that wait, and what rounds of five seconds write. */
function scene(count: number, limit: number) {
  const queue = {
    metadata: { namespace: "n", name: "q", uid: "q" },
    spec: { concurrencyLimit: limit, paused: false },
  } as TaskQueue;
  const runs = Array.from({ length: count + limit }, (_, n): TaskRun => {
    const run = newRun({ container: { image: "i" }, queue: { name: "q" } });
    const metadata = { ...run.metadata, name: `r${n}`, uid: `u${String(n).padStart(5, "0")}` };
    return play({ ...run, metadata }, accepted, ...(n < limit ? [admitted(1)] : []));
  });
  let now = start;
  let closed: { since: number; error?: unknown } | undefined;
  const deps = {
    runs: { list: () => runs },
    queues: { byIndex: () => [queue] },
    tasks: { byIndex: () => [], list: () => [] },
    environments: { limitOf: () => null },
    admission: { closed: () => closed },
    room: { tight: () => undefined },
    owners: { isOurs: () => true },
    clock: () => now,
  } as unknown as Parameters<typeof staleRuns>[0];
  /** Returns the names of the runs that were written. */
  const round = (): string[] => {
    now += 5_000;
    return staleRuns(deps).map(({ run, wait }) => {
      const result = transition(run, { type: "Waits", ...wait }, new Date(now).toISOString());
      const index = runs.findIndex(({ metadata }) => metadata.uid === run.metadata.uid);
      if ("status" in result) runs[index] = { ...run, status: result.status };
      return run.metadata.name;
    });
  };
  const admit = (): void => {
    const first = runs.findIndex(({ status }) => status?.phase === "Queued");
    runs.splice(0, 1);
    runs[first - 1] = play(runs[first - 1] as TaskRun, admitted(1));
  };
  const close = (error: unknown): void => {
    closed = error === undefined ? undefined : { since: closed?.since ?? now, error };
  };
  return { queue, runs, round, admit, close };
}

test("a cause is written once for each run, a hundred of a namespace in a round, the first in line first", () => {
  const { runs, round } = scene(1_000, 1);
  const rounds = Array.from({ length: 12 }, round);
  expect(rounds.map(({ length }) => length)).toEqual([...Array(10).fill(100), 0, 0]);
  expect(rounds[0]?.slice(0, 2)).toEqual(["r1", "r2"]);
  expect(runs[1]?.status).toMatchObject({
    reason: "QueueFull",
    waiting: { limit: 1, running: 1, place: 1, queued: 1000 },
  });
});

test("a hundred admissions rewrite at most ten of a thousand runs that wait in a round", () => {
  const { round, admit } = scene(1_000, 1);
  while (round().length > 0);
  const written = Array.from({ length: 100 }, () => {
    admit();
    return round().length;
  });
  expect(Math.max(...written)).toBeLessThanOrEqual(10);
  expect(written.reduce((sum, count) => sum + count)).toBeGreaterThan(0);
});

test("a queue that is paused and resumed is said to all who wait", () => {
  const { queue, runs, round } = scene(50, 1);
  round();
  queue.spec.paused = true;
  expect(round()).toHaveLength(50);
  expect(runs[1]?.status?.reason).toBe("QueuePaused");
  queue.spec.paused = false;
  expect(round()).toHaveLength(50);
  expect(runs[1]?.status?.reason).toBe("QueueFull");
});

test("closed admission is told to each run once, also while its causes alternate, and so is its end", () => {
  const { runs, round, close } = scene(150, 1);
  while (round().length > 0);
  close(new Error("Connection is closed."));
  expect(round().length + round().length).toBe(150);
  expect(runs[1]?.status).toMatchObject({ reason: "AdmissionClosed" });
  close(new Error("NOAUTH Authentication required."));
  expect(round()).toEqual([]);
  close(undefined);
  expect(round().length + round().length).toBe(150);
  expect(runs[1]?.status).toMatchObject({ reason: "QueueFull" });
});
