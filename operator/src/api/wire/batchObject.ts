/** A TaskBatch, and what became of its items, as Trigger.dev's clients read them. */
import { runId } from "../../model/ids.ts";
import type { TaskBatch } from "../../model/resources.ts";
import type { readResults } from "../../storage/batchItems.ts";

const statuses = {
  Receiving: "PENDING",
  Processing: "PROCESSING",
  Completed: "COMPLETED",
  PartiallyFailed: "PARTIAL_FAILED",
  Aborted: "ABORTED",
} as const;

export function batchObject({ metadata, spec, status = {} }: TaskBatch) {
  const runCount = status.counts?.total ?? spec.expectedCount ?? spec.items?.length ?? 0;
  const ran = status.counts?.created ?? 0;
  return {
    id: `batch_${metadata.name}`,
    // A batch whose runs have not all ended is being processed, however many of them could not be made.
    status: statuses[status.phase ?? "Receiving"],
    createdAt: metadata.creationTimestamp,
    updatedAt: status.finishedAt ?? status.startedAt ?? metadata.creationTimestamp,
    runCount,
    runs: Array.from({ length: ran }, (_, index) => runId(`${metadata.name}-${index}`)),
    processing: {
      completedAt: status.finishedAt,
      errors: (status.errors ?? []).map(({ index, message }) => ({
        index,
        taskIdentifier: "",
        error: message,
      })),
    },
  };
}

export function resultObject(result: Awaited<ReturnType<typeof readResults>>[number]) {
  const id = result.run ? runId(result.run.name) : `item_${result.index}`;
  if (result.phase === "Completed") {
    const output = result.output === undefined ? undefined : JSON.stringify(result.output);
    return { ok: true, id, taskIdentifier: result.task, output, outputType: "application/json" };
  }
  const { name = result.phase ?? "Error", message = "" } = result.error ?? {};
  return {
    ok: false,
    id,
    taskIdentifier: result.task,
    error: { type: "BUILT_IN_ERROR", name, message, stackTrace: "" },
  };
}
