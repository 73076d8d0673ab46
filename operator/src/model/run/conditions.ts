/**
 * The conditions that follow from a run's phase. `kubectl wait --for=condition=Finished` returns however it
 * ended.
 */

import { setCondition, type WantedCondition } from "../conditions.ts";
import type { TaskRunStatus } from "../resources.ts";
import { isTerminal } from "./phase.ts";

export function setConditions(status: TaskRunStatus, now: string): TaskRunStatus {
  const { phase } = status;
  const finished = isTerminal(phase);
  const reason = word(status.reason ?? phase ?? "Unknown");
  const message = status.message ?? "";
  const wanted: WantedCondition[] = [
    { type: "Finished", isTrue: finished, reason, message },
    { type: "Complete", isTrue: phase === "Completed", reason, message },
    { type: "Failed", isTrue: finished && phase !== "Completed" && phase !== "Canceled", reason, message },
  ];
  if (finished) {
    const isTrue = (status.attempts ?? []).every((a) => a.captured);
    const notes = (status.attempts ?? []).flatMap(({ number, logNote }) =>
      logNote ? [`The log of attempt ${number}: ${logNote}`] : [],
    );
    const stored = notes.length > 0 ? "LogsIncomplete" : "LogsStored";
    wanted.push({
      ...{ type: "Captured", isTrue, reason: isTrue ? stored : "LogsPending" },
      message: notes.join(" "),
    });
  }
  const conditions = wanted.reduce(
    (list, one) => setCondition(list, one, now, status.observedGeneration),
    status.conditions ?? [],
  );
  return { ...status, conditions };
}

export const queueDeclared = "QueueDeclared";

/** Conditions of something that is wrong: each is there only while it is False. */
export function withNote(
  { conditions = [], observedGeneration }: TaskRunStatus,
  type: string,
  note: { reason: string; message: string } | undefined,
  now: string,
): TaskRunStatus["conditions"] {
  const before = conditions.find((one) => one.type === type);
  if (note === undefined) return before ? conditions.filter((one) => one !== before) : conditions;
  const isSame = before?.reason === note.reason && before.message === note.message;
  return isSame
    ? conditions
    : setCondition(conditions, { type, isTrue: false, ...note }, now, observedGeneration);
}

/** Kubernetes wants a CamelCase word of letters, digits and a few marks. */
const word = (reason: string): string => reason.replace(/[^A-Za-z0-9_,:]/g, "_").slice(0, 128) || "Unknown";
