/** A TaskBatch, and the results of its items, as Trigger.dev's clients read them. */

import { batchId, runId } from "@fairlead/protocol/ids";
import type { BatchStatus } from "@fairlead/protocol/status";
import type { BatchResult } from "../../../model/batch/item.ts";
import type { BatchPhase, TaskBatch } from "../../../model/resources.ts";
import type { ItemOutput } from "../../../storage/batchItems.ts";
import { storeType } from "../../runs/wire/triggerBody.ts";

const statuses = {
  Receiving: "PENDING",
  Processing: "PROCESSING",
  Completed: "COMPLETED",
  PartiallyFailed: "PARTIAL_FAILED",
  Aborted: "ABORTED",
} as const satisfies Record<BatchPhase, BatchStatus>;

interface BatchDetails {
  /** Names of the runs, in the order of their items. */
  runs: readonly string[];
  /** The tasks of the items that got no run because they are wrong, by index. */
  tasks: ReadonlyMap<number, string>;
}

export function batchObject({ metadata, spec, status = {} }: TaskBatch, { runs, tasks }: BatchDetails) {
  const runCount = status.counts?.total ?? spec.expectedCount ?? spec.items?.length ?? 0;
  return {
    id: batchId(metadata.name),
    // A batch is being processed until all its runs have ended, also when some items got no run.
    status: statuses[status.phase ?? "Receiving"],
    createdAt: metadata.creationTimestamp,
    updatedAt: status.finishedAt ?? status.startedAt ?? metadata.creationTimestamp,
    runCount,
    runs: runs.map((name) => runId(name)),
    processing: {
      completedAt: status.finishedAt,
      errors: (status.errors ?? []).map(({ index, message }) => ({
        index,
        taskIdentifier: tasks.get(index) ?? "",
        error: message,
      })),
    },
  };
}

/** `stored`: the output, where the result has none or not the whole of it. */
export function resultObject(result: BatchResult, stored?: ItemOutput) {
  const id = result.run ? runId(result.run.name) : `item_${result.index}`;
  if (result.phase === "Completed") {
    return { ok: true, id, taskIdentifier: result.task, ...outputOf(result, id, stored) };
  }
  const { name = result.phase ?? "Error", message = "" } = result.error ?? {};
  return {
    ok: false,
    id,
    taskIdentifier: result.task,
    error: { type: "BUILT_IN_ERROR", name, message, stackTrace: "" },
  };
}

/**
 * A long output is named by the path of the packet that it can be fetched as; and so is one that is not kept
 * any more: fetching it is answered with 404, while a missing output would be taken for what the run
 * returned.
 */
function outputOf({ output, outputRef }: BatchResult, id: string, stored: ItemOutput | undefined) {
  if (stored === "elsewhere" || (outputRef && output === undefined && !stored))
    return { output: `${id}/output`, outputType: storeType };
  if (stored) return { output: stored.text, outputType: stored.type };
  return {
    output: output === undefined ? undefined : JSON.stringify(output),
    outputType: "application/json",
  };
}
