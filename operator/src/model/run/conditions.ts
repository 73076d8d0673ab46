/** The conditions that follow from a run's phase. `kubectl wait --for=condition=Finished` returns however it ended. */

import type { TaskRunStatus } from "../resources.ts";
import { isTerminal } from "./phase.ts";

type Condition = NonNullable<TaskRunStatus["conditions"]>[number];

interface Wanted {
  type: string;
  value: boolean;
  reason: string;
  message: string;
}

export function setConditions(status: TaskRunStatus, now: string): TaskRunStatus {
  const { phase } = status;
  const finished = isTerminal(phase);
  const reason = word(status.reason ?? phase ?? "Unknown");
  const message = status.message ?? "";
  const wanted: Wanted[] = [
    { type: "Finished", value: finished, reason, message },
    { type: "Complete", value: phase === "Completed", reason, message },
    { type: "Failed", value: finished && phase !== "Completed" && phase !== "Canceled", reason, message },
  ];
  if (finished) {
    const value = (status.attempts ?? []).every((a) => a.captured);
    wanted.push({ type: "Captured", value, reason: value ? "LogsStored" : "LogsPending", message: "" });
  }
  const conditions = wanted.map(({ value, ...said }): Condition => {
    const next = value ? "True" : "False";
    const before = status.conditions?.find((c) => c.type === said.type);
    if (before?.status === next && before.reason === said.reason) return before;
    const lastTransitionTime = before?.status === next ? before.lastTransitionTime : now;
    return { ...said, status: next, lastTransitionTime, observedGeneration: status.observedGeneration };
  });
  return { ...status, conditions };
}

/** Kubernetes wants a CamelCase word of letters, digits and a few marks. */
const word = (reason: string): string => reason.replace(/[^A-Za-z0-9_,:]/g, "_").slice(0, 128) || "Unknown";
