/** Pure predicates on a run's phase. */
import type { Phase, TaskRun } from "../resources.ts";

const terminal: ReadonlySet<Phase> = new Set<Phase>([
  "Completed",
  "Canceled",
  "Expired",
  "Failed",
  "Crashed",
  "TimedOut",
  "SystemFailure",
]);

const holding: ReadonlySet<Phase> = new Set<Phase>(["Starting", "Executing", "Stopping"]);

export const isTerminal = (phase: Phase | undefined): boolean => phase !== undefined && terminal.has(phase);

export const isFinished = (run: TaskRun): boolean => isTerminal(run.status?.phase);

/** Whether the run occupies a slot of its queue. Admission, rebuild and sweeper all ask this function. */
export const holdsSlot = (run: TaskRun): boolean => {
  const phase = run.status?.phase;
  return phase !== undefined && holding.has(phase);
};
