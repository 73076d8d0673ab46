/**
 * The next step of a batch, from the states of its items. Pure; the reconciler calls it in every pass.
 *
 *   missing ─► open ─► completed | failed | canceled      a run of this batch
 *      ├─────► cached ─► completed | failed | canceled    a run that has the item's idempotency key already
 *      └─────► failed | canceled                          no run: rejected, deleted, or the batch was stopped
 *
 * At most `maxConcurrency` items are open at once; an item that is not missing is never created again.
 */
import type { Phase, TaskBatchStatus } from "../resources.ts";
import { isTerminal } from "../run/phase.ts";

export type ItemState = "missing" | "open" | "cached" | "completed" | "failed" | "canceled";

/** Why no more runs are created. */
export type StopReason = "Canceled" | "ItemsChanged";

interface BatchView {
  /** Of each item, in order. */
  states: readonly ItemState[];
  maxConcurrency?: number;
  stopReason?: StopReason;
}

export interface BatchPlan {
  /** Items that need a run, in order. */
  create: number[];
  /** How many of them may get one now. */
  room: number;
  counts: BatchCounts;
  createdThrough: number;
  finished: boolean;
}

export type BatchCounts = NonNullable<TaskBatchStatus["counts"]>;

export function itemStateOf(phase: Phase | undefined): ItemState {
  if (!isTerminal(phase)) return "open";
  if (phase === "Completed") return "completed";
  return phase === "Canceled" ? "canceled" : "failed";
}

export function planBatch({ states, maxConcurrency, stopReason }: BatchView): BatchPlan {
  const of = { missing: 0, open: 0, cached: 0, completed: 0, failed: 0, canceled: 0 };
  const missing: number[] = [];
  for (const [index, state] of states.entries()) {
    of[state] += 1;
    if (state === "missing") missing.push(index);
  }
  const counts: BatchCounts = {
    total: states.length,
    created: states.length - of.missing,
    running: of.open + of.cached,
    completed: of.completed,
    failed: of.failed + (stopReason === "ItemsChanged" ? of.missing : 0),
    canceled: of.canceled + (stopReason === "Canceled" ? of.missing : 0),
  };
  if (stopReason === "Canceled") {
    // A run of another origin goes on; this batch no longer waits for it.
    counts.running -= of.cached;
    counts.canceled += of.cached;
  }
  const create = stopReason ? [] : missing;
  return {
    create,
    room: Math.min(create.length, Math.max(0, (maxConcurrency ?? states.length) - of.open)),
    counts,
    createdThrough: missing[0] ?? states.length,
    finished: counts.running === 0 && create.length === 0,
  };
}
