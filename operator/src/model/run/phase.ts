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

/** Whether the run ends, or will end, because somebody asked for it. */
export const isCanceled = ({ spec, status }: TaskRun): boolean =>
  isTerminal(status?.phase)
    ? status?.phase === "Canceled"
    : status?.stop?.intent === "Canceled" || (spec.cancelRequested === true && status?.phase !== "Stopping");

/**
 * Whether the run occupies a slot of its queue. Admission, rebuild and sweeper all ask this function. A run
 * that is stopped while it waits has given its slot back.
 */
export const holdsSlot = ({ status }: TaskRun): boolean =>
  status?.phase !== undefined && holding.has(status.phase) && status.wait === undefined;

/** Whether the run waits no more and takes a slot again. */
export const resumes = ({ status }: TaskRun): boolean =>
  status?.phase === "Waiting" && status.wait?.resumeAskedAt !== undefined;
