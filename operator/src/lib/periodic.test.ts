import { expect, test } from "vitest";
import { every } from "./periodic.ts";

/** Runs the work until it has had so many turns, without waiting; what it paused for and what was logged. */
async function run(turns: number, work: (turn: number) => Promise<void>, firstMs?: number) {
  const stop = new AbortController();
  const pauses: number[] = [];
  const warnings: unknown[] = [];
  let turn = 0;
  await every(
    1000,
    {
      signal: stop.signal,
      log: { warn: (_fields: unknown, message?: string) => void warnings.push(message) },
      failure: "the work failed",
      firstMs,
      random: () => 0.5,
      pause: async (ms) => {
        pauses.push(ms);
        if (turn === turns) stop.abort();
      },
    },
    () => work(++turn),
  );
  return { pauses, warnings, turns: turn };
}

test("the first run comes early by a random part of its pause, the others after the whole period", async () => {
  const nothing = async () => undefined;
  expect(await run(2, nothing)).toMatchObject({ pauses: [750, 1000, 1000], turns: 2 });
  expect(await run(2, nothing, 100)).toMatchObject({ pauses: [75, 1000, 1000] });
  expect(await run(2, nothing, 0)).toMatchObject({ pauses: [0, 1000, 1000] });
});

test("a failure is logged and the next run comes in its time", async () => {
  const ended = await run(3, async (turn) => {
    if (turn === 1) throw new Error("not now");
  });
  expect(ended).toEqual({ pauses: [750, 1000, 1000, 1000], warnings: ["the work failed"], turns: 3 });
});

test("the end of the signal ends the pause, and what the aborted work throws is not logged", async () => {
  const stop = new AbortController();
  const warnings: unknown[] = [];
  const log = { warn: (fields: unknown) => void warnings.push(fields) };
  const options = { signal: stop.signal, log, failure: "the work failed", firstMs: 0 };
  let turns = 0;
  await every(3_600_000, options, async () => {
    turns += 1;
    setTimeout(() => stop.abort(), 5);
  });
  expect(turns).toBe(1);

  const aborted = new AbortController();
  await every(1, { ...options, signal: aborted.signal }, async () => {
    aborted.abort();
    throw new Error("aborted");
  });
  expect(warnings).toEqual([]);
});
