/**
 * `npm run bench -- chaos --minutes N --seed N`: a steady load beside faults of all kinds, mixed at random.
 * The same seed gives the same order of faults. In the end: what was lost, doubled, or over the limit.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, faults } from "../support/faults/faults.ts";
import { SteadyLoad, type Verdict } from "../support/faults/steadyLoad.ts";

interface ChaosOptions {
  minutes: number;
  seed: number;
}

/** Between two faults the release has time to come back, or not. */
const shortestPauseMs = 2_000;
const longestPauseMs = 15_000;

/** Returns whether nothing was lost, doubled, or over the limit. */
export async function chaos({ minutes, seed }: ChaosOptions): Promise<boolean> {
  const random = mulberry32(seed);
  const load = await SteadyLoad.start({ everyMs: 2_000, keys: 4, limit: 2, random: mulberry32(seed + 1) });
  const caused = new Map<string, number>();
  try {
    const ends = performance.now() + minutes * 60_000;
    for (const fault of shuffledForEver(random)) {
      await sleep(shortestPauseMs + random() * (longestPauseMs - shortestPauseMs));
      if (performance.now() > ends) break;
      console.error(`${new Date().toISOString()} ${fault.name}`);
      // kubectl fails while the API server is away.
      await fault.cause(load.ns).catch((error) => console.error(`  ${(error as Error).message}`));
      caused.set(fault.name, (caused.get(fault.name) ?? 0) + 1);
    }
    const verdict = await load.finish();
    print({ minutes, seed }, caused, verdict);
    return [verdict.lost, verdict.doubled, verdict.overLimit].every((list) => list.length === 0);
  } finally {
    await load.remove();
  }
}

/** Every fault once, in a random order, again and again: a short run has as many kinds as it can. */
function* shuffledForEver(random: () => number): Generator<Fault> {
  for (;;) {
    const order = faults.map((fault) => ({ fault, at: random() })).sort((a, b) => a.at - b.at);
    for (const { fault } of order) yield fault;
  }
}

function print({ minutes, seed }: ChaosOptions, caused: Map<string, number>, verdict: Verdict): void {
  console.log(`${minutes} minutes, seed ${seed}\n`);
  for (const [name, count] of [...caused].sort()) console.log(`${name.padEnd(40)}${count}`);
  console.log("");
  const rows: [string, string | number][] = [
    ["runs accepted", verdict.accepted],
    ["lost", verdict.lost.length],
    ["doubled", verdict.doubled.length],
    ["keys over their limit", verdict.overLimit.length],
    ["attempts lost to the infrastructure", verdict.infrastructureRetries],
    ["longest trigger, with its repetitions", `${(verdict.longestTriggerMs / 1_000).toFixed(1)} s`],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(40)}${value}`);
  for (const line of [...verdict.lost, ...verdict.doubled, ...verdict.overLimit]) console.log(`  ${line}`);
}

/** A random number generator with a seed, in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
