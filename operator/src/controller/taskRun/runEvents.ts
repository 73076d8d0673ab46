/**
 * The Kubernetes Events of a run: what changed between two of its states, in the words of its status. Pure.
 * Made from the difference, so that a state which was reached in one step has the same Events as one reached
 * in three.
 */
import type { ObjectEvent } from "../../kube/manager/controller.ts";
import type { Attempt, TaskRun, TaskRunStatus } from "../../model/resources.ts";
import { queueDeclared } from "../../model/run/conditions.ts";
import { isTerminal } from "../../model/run/phase.ts";
import { isWaitReason, waitsForTurn } from "../../model/run/waiting.ts";
import type { CachedRun } from "./cache.ts";
import { isPayloadEdited } from "./payload.ts";

export function eventsBetween(before: CachedRun | undefined, after: CachedRun): ObjectEvent[] {
  return [...eventsOfStatus(before, after), ...eventsOfPayload(before, after)];
}

/** A run that started keeps its payload, and one that waits fails: then its phase says so. */
function eventsOfPayload(before: CachedRun | undefined, after: CachedRun): ObjectEvent[] {
  const { phase } = after.status ?? {};
  const isNew = before !== undefined && before.payload?.sha256 !== after.payload?.sha256;
  if (!isNew || phase === "Queued" || phase === "Delayed" || !isPayloadEdited(after)) return [];
  const message = isTerminal(phase)
    ? "spec.payload: ignored, the run has ended: create another TaskRun"
    : "spec.payload: ignored by the attempt that is under way, and another one cannot start with it: create another TaskRun";
  return [warning("PayloadIgnored", message)];
}

function eventsOfStatus(before: TaskRun | undefined, after: TaskRun): ObjectEvent[] {
  const old = before?.status;
  const { status } = after;
  if (!status || old?.revision === status.revision) return [];
  if (!status.phase) return status.reason ? [warning(status.reason, status.message ?? "")] : [];
  const waits = status.phase === "Queued" && isWaitReason(status.reason);
  const queued =
    !old?.phase && status.queuedAt ? [normal("Queued", (waits && status.message) || waitsForTurn)] : [];
  const attempts = (status.attempts ?? []).flatMap((attempt) =>
    eventsOfAttempt(
      old?.attempts?.find(({ number }) => number === attempt.number),
      attempt,
    ),
  );
  const isNew =
    old?.phase !== status.phase ||
    old?.reason !== status.reason ||
    // Numbers of a wait move all the time; its first words are in the Event "Queued".
    (!waits && old?.message !== status.message);
  const phase = isNew && !(waits && !old?.phase) ? eventOfPhase(status) : undefined;
  const undeclared = conditionOf(status);
  const misnamed = undeclared && !conditionOf(old) ? [warning(undeclared.reason, undeclared.message)] : [];
  return [...misnamed, ...queued, ...attempts, ...(phase ? [phase] : [])];
}

const conditionOf = (status: TaskRunStatus | undefined) =>
  status?.conditions?.find(({ type }) => type === queueDeclared);

function eventOfPhase({ phase, reason = phase, message = "" }: TaskRunStatus): ObjectEvent | undefined {
  if (phase === undefined || reason === undefined) return undefined;
  if (isTerminal(phase)) {
    const isWanted = phase === "Completed" || phase === "Canceled";
    return isWanted ? normal(phase, message) : warning(phase, message);
  }
  switch (phase) {
    case "Stopping":
    case "Delayed":
      return normal(phase, message);
    case "Queued":
      if (reason === "AdmissionClosed") return warning(reason, message);
      if (reason === "Backoff" || (isWaitReason(reason) && reason !== "Queued"))
        return normal(reason, message);
      return reason === "Queued" ? undefined : warning(reason, message);
    case "Starting":
      return reason === "Admitted" ? undefined : warning(reason, message);
    default:
      return undefined;
  }
}

function eventsOfAttempt(before: Attempt | undefined, after: Attempt): ObjectEvent[] {
  const { number, job, startedAt, outcome, exitCode, error } = after;
  const events: ObjectEvent[] = [];
  if (!before) events.push(normal("Starting", `Attempt ${number} starts as Job ${job}.`));
  if (!before?.startedAt && startedAt) events.push(normal("Started", `Attempt ${number} runs.`));
  if (!before?.outcome && outcome && outcome !== "Completed") {
    const exit = exitCode === undefined ? "" : ` (exit code ${exitCode})`;
    events.push(
      warning("AttemptFailed", `Attempt ${number}: ${outcome}${exit}. ${error?.message ?? ""}`.trim()),
    );
  }
  return events;
}

const normal = (reason: string, message: string): ObjectEvent => ({ type: "Normal", reason, message });
const warning = (reason: string, message: string): ObjectEvent => ({ type: "Warning", reason, message });
