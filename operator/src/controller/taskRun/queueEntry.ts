/** A TaskRun as the queue's entry, in the words of queue/: the holder of a slot, or a pending run. Pure. */
import { queueNameOf } from "../../model/queue/governing.ts";
import type { Task, TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import { resumes } from "../../model/run/phase.ts";
import type { PendingRun } from "../../queue/admission.ts";
import type { Holder } from "../../queue/clusterState.ts";

/** A run that holds a slot. `hasJob`: whether a Job with this name was created. */
export function holderOf(run: TaskRun, hasJob: (name: string) => boolean): Holder {
  const { namespace, name, uid } = run.metadata;
  const attempt = currentAttempt(run.status);
  const isStarted = attempt?.podUid !== undefined || (attempt !== undefined && hasJob(attempt.job));
  return {
    namespace,
    name,
    uid,
    slot: run.status?.slot ?? 0,
    queue: queueNameOf(run, undefined),
    concurrencyKey: run.spec.concurrencyKey,
    tentative: run.status?.phase === "Starting" && !isStarted,
  };
}

/** A run that asks for a slot. */
export function pendingOf(run: TaskRun, task: Task | undefined): PendingRun {
  return {
    namespace: run.metadata.namespace,
    name: run.metadata.name,
    uid: run.metadata.uid,
    queue: queueNameOf(run, task),
    concurrencyKey: run.spec.concurrencyKey,
    enqueuedAtMs: Date.parse(run.status?.queuedAt ?? run.metadata.creationTimestamp ?? ""),
    prioritySeconds: run.spec.priority ?? 0,
    slot: run.status?.slot ?? 0,
    resumes: resumes(run),
  };
}

/** Whether the run waits for a slot: to start, or to go on after a wait. */
export const isPending = (run: TaskRun, task: Task | undefined, nowMs: number): boolean =>
  isAdmissible(run, task, nowMs) || (resumes(run) && !run.metadata.deletionTimestamp);

/** Whether a reconciler would enqueue the run now: it is Queued, not in backoff, and its Task exists. */
export function isAdmissible(run: TaskRun, task: Task | undefined, nowMs: number): boolean {
  const { status, spec, metadata } = run;
  if (status?.phase !== "Queued" || metadata.deletionTimestamp || spec.cancelRequested) return false;
  if (spec.task !== undefined && !task && !status.version) return false;
  return !status.nextAttemptAt || Date.parse(status.nextAttemptAt) <= nowMs;
}
