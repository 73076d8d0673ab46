/** The conditions that follow from a run's phase. `kubectl wait --for=condition=Finished` returns however it ended. */
import { isTerminal } from "./phase.ts";
import type { TaskRunStatus } from "./resources.ts";

type Condition = NonNullable<TaskRunStatus["conditions"]>[number];

export function setConditions(status: TaskRunStatus, now: string): TaskRunStatus {
  const { phase } = status;
  const finished = isTerminal(phase);
  const reason = word(status.reason ?? phase ?? "Unknown");
  const message = status.message ?? "";
  const wanted: [string, boolean][] = [
    ["Finished", finished],
    ["Complete", phase === "Completed"],
    ["Failed", finished && phase !== "Completed" && phase !== "Canceled"],
  ];
  if (finished) wanted.push(["Captured", (status.attempts ?? []).every((a) => a.captured)]);
  const conditions = wanted.map(([type, value]): Condition => {
    const next = value ? "True" : "False";
    const before = status.conditions?.find((c) => c.type === type);
    const same = before?.status === next;
    if (same && (finished || before.reason === reason)) return before;
    return {
      type,
      status: next,
      reason: type === "Captured" ? (value ? "LogsStored" : "LogsPending") : reason,
      message: type === "Captured" ? "" : message,
      lastTransitionTime: same ? before.lastTransitionTime : now,
      observedGeneration: status.observedGeneration,
    };
  });
  return { ...status, conditions };
}

/** Kubernetes wants a CamelCase word of letters, digits and a few marks. */
const word = (reason: string): string => reason.replace(/[^A-Za-z0-9_,:]/g, "_").slice(0, 128) || "Unknown";
