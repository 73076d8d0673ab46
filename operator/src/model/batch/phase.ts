/** How a batch ends: its terminal phase with reason and message, and the conditions of every phase. */
import { setCondition } from "../conditions.ts";
import type { TaskBatch, TaskBatchStatus } from "../resources.ts";
import type { BatchCounts, StopReason } from "./plan.ts";

export const isBatchFinished = ({ status }: Pick<TaskBatch, "status">): boolean =>
  status?.phase === "Completed" || status?.phase === "PartiallyFailed" || status?.phase === "Aborted";

interface BatchEnd {
  phase: "Completed" | "PartiallyFailed";
  reason: string;
  message: string;
}

export function endOfBatch(
  { total, completed, failed, canceled }: BatchCounts,
  stopReason: StopReason | undefined,
): BatchEnd {
  if (completed === total && !(stopReason && total === 0)) {
    return { phase: "Completed", reason: "Completed", message: `All ${total} runs completed.` };
  }
  const summary = `${completed} of ${total} runs completed, ${failed} failed, ${canceled} were canceled.`;
  const message =
    stopReason === "ItemsChanged"
      ? `spec.items, itemsRef or defaults changed after processing began, so no more runs were created: create another TaskBatch. ${summary}`
      : summary;
  return { phase: "PartiallyFailed", reason: stopReason ?? "ItemsFailed", message };
}

/**
 * Reason of a batch that was applied again after it was retired: it repeats that one's end, and runs nothing.
 */
export const duplicateReason = "Duplicate";

/**
 * The conditions that follow from the phase. Finished is for `kubectl wait`: it is true however the batch
 * ended.
 */
export function withBatchConditions(status: TaskBatchStatus, now: string): TaskBatchStatus {
  const { phase, reason = "Unknown", message = "" } = status;
  const finished = isBatchFinished({ status });
  // The reason of a duplicate does not say why the batch that it repeats ended.
  const isCanceled = reason === "Canceled" || (reason === duplicateReason && status.counts?.failed === 0);
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
