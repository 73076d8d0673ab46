/**
 * Compares the slots in Redis with the runs that hold one, and repairs the differences.
 *
 * - A difference counts when two sweeps in a row see it and a live read confirms it: between a grant and the
 *   status Starting, and between a status and its release, both sides differ for a moment.
 * - A slot without a run is released; a run without its slot gets it back. Both are drift, and counted.
 */
import type { Grant } from "./admission.ts";
import type { Holder } from "./clusterState.ts";
import { slotId } from "./keys.ts";
import type { HeldSlot } from "./semaphore.ts";

interface Differences {
  /** Held in Redis, by no run. */
  surplus: HeldSlot[];
  /** Held by a run, not in Redis. */
  missing: Holder[];
}

export interface Drift {
  released: number;
  added: number;
}

export interface Sweep {
  namespace: string;
  inRedis: readonly HeldSlot[];
  /** By their status, from the cache. */
  inCluster: readonly Holder[];
  /** Differences of the sweep before; replaced by those of this one. */
  suspects: Set<string>;
  /** The slot of the run with this uid, by a consistent read; undefined: it holds none, or was deleted. */
  readHolder(namespace: string, name: string, uid: string): Promise<Holder | undefined>;
  release(grant: Grant): Promise<void>;
  /** Returns how many were added. */
  add(holders: readonly Holder[]): Promise<number>;
}

function compareSlots(inRedis: readonly HeldSlot[], inCluster: readonly Holder[]): Differences {
  const redis = new Set(inRedis.map(slotId));
  const cluster = new Set(inCluster.map(slotId));
  return {
    surplus: inRedis.filter((slot) => !cluster.has(slotId(slot))),
    missing: inCluster.filter((holder) => !redis.has(slotId(holder))),
  };
}

export async function sweepSlots(sweep: Sweep): Promise<Drift> {
  const { surplus, missing } = compareSlots(sweep.inRedis, sweep.inCluster);
  const before = new Set(sweep.suspects);
  sweep.suspects.clear();
  for (const slot of [...surplus, ...missing]) sweep.suspects.add(slotId(slot));
  const drift: Drift = { released: 0, added: 0 };
  for (const slot of surplus.filter((one) => before.has(slotId(one)))) {
    const live = await sweep.readHolder(sweep.namespace, slot.name, slot.uid);
    if (live?.slot === slot.slot) continue;
    await sweep.release({ namespace: sweep.namespace, ...slot });
    drift.released++;
  }
  for (const slot of missing.filter((one) => before.has(slotId(one)))) {
    const live = await sweep.readHolder(sweep.namespace, slot.name, slot.uid);
    if (live?.slot === slot.slot) drift.added += await sweep.add([live]);
  }
  return drift;
}
