/**
 * What a batch does next, from what is known of its items. Pure; the reconciler calls it after every look.
 *
 *   missing ─► open ─► completed | failed | canceled        a run of this batch
 *      ├─────► awaited ─► completed | failed | canceled     a run that had the item's idempotency key already
 *      └─────► failed | canceled                            no run: rejected, deleted by hand, or the batch was stopped
 *
 * At most `maxConcurrency` items are open at once; an item that is not missing is never created again.
 */

import { setCondition } from "../conditions.ts";
import type { Phase, TaskBatch, TaskBatchStatus } from "../resources.ts";
import { isTerminal } from "../run/phase.ts";

export type ItemState = "missing" | "open" | "awaited" | "completed" | "failed" | "canceled";

/** Why no more runs are created. */
export type StopReason = "Canceled" | "ItemsChanged";

export interface BatchView {
  /** One per item. */
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

export function stateOf(phase: Phase | undefined): ItemState {
  if (!isTerminal(phase)) return "open";
  if (phase === "Completed") return "completed";
  return phase === "Canceled" ? "canceled" : "failed";
}

export function planBatch({ states, maxConcurrency, stopReason }: BatchView): BatchPlan {
  const of: Record<ItemState, number> = {
    ...{ missing: 0, open: 0, awaited: 0, completed: 0, failed: 0, canceled: 0 },
  };
  const missing: number[] = [];
  for (const [index, state] of states.entries()) {
    of[state] += 1;
    if (state === "missing") missing.push(index);
  }
  const counts: BatchCounts = {
    total: states.length,
    created: states.length - of.missing,
    running: of.open + of.awaited,
    completed: of.completed,
    failed: of.failed + (stopReason === "ItemsChanged" ? of.missing : 0),
    canceled: of.canceled + (stopReason === "Canceled" ? of.missing : 0),
  };
  if (stopReason === "Canceled") {
    // Another's run goes on; this batch does not wait for it any more.
    counts.running -= of.awaited;
    counts.canceled += of.awaited;
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

export interface BatchEnd {
  phase: "Completed" | "PartiallyFailed";
  reason: string;
  message: string;
}

export function endOf(
  { total, completed, failed, canceled }: BatchCounts,
  stopReason: StopReason | undefined,
): BatchEnd {
  if (completed === total && !(stopReason && total === 0)) {
    return { phase: "Completed", reason: "Completed", message: `All ${total} runs completed.` };
  }
  const told = `${completed} of ${total} runs completed, ${failed} failed, ${canceled} were canceled.`;
  const message =
    stopReason === "ItemsChanged"
      ? `spec.items, itemsRef or defaults changed after the batch was taken up, so no more runs were created: create another TaskBatch. ${told}`
      : told;
  return { phase: "PartiallyFailed", reason: stopReason ?? "ItemsFailed", message };
}

export const isBatchFinished = ({ status }: Pick<TaskBatch, "status">): boolean =>
  status?.phase === "Completed" || status?.phase === "PartiallyFailed" || status?.phase === "Aborted";

/** Reason of a batch that was applied again after it went: it has what it had, and runs nothing. */
export const duplicate = "Duplicate";

/**
 * The conditions that follow from the phase: `kubectl wait --for=condition=Finished` returns however it
 * ended.
 */
export function withBatchConditions(status: TaskBatchStatus, now: string): TaskBatchStatus {
  const { phase, reason = "Unknown", message = "" } = status;
  const finished = isBatchFinished({ status });
  // One that repeats a batch does not say why that one ended.
  const isCanceled = reason === "Canceled" || (reason === duplicate && status.counts?.failed === 0);
  const wanted: [type: string, isTrue: boolean][] = [
    ["Finished", finished],
    ["Complete", phase === "Completed"],
    ["Failed", finished && phase !== "Completed" && !isCanceled],
  ];
  const conditions = wanted.reduce(
    (list, [type, isTrue]) =>
      setCondition(list, { type, isTrue, reason, message }, now, status.observedGeneration),
    status.conditions ?? [],
  );
  return { ...status, conditions };
}

/** `3,7-9` of [3, 7, 8, 9]: at most four characters for each other item. */
export function formatRanges(indexes: Iterable<number>): string | undefined {
  const ranges: [from: number, to: number][] = [];
  for (const index of [...new Set(indexes)].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] === index - 1) last[1] = index;
    else ranges.push([index, index]);
  }
  const text = ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
  return text === "" ? undefined : text;
}

export function parseRanges(text: string | undefined): number[] {
  if (!text) return [];
  return text.split(",").flatMap((range) => {
    const [from = 0, to = from] = range.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}
