/**
 * Queued → Starting. The order of writes makes a crash between any two harmless:
 * hold in Redis → Starting written → hold confirmed → (attempt.ts) Job created.
 * A Starting run whose hold is not confirmed and that has no Job goes back to Queued.
 */
import { idOfTask, type Task, type TaskRun } from "../model/resources.ts";
import type { Grant, PendingRun } from "../queue/admission.ts";
import { applyRunEvent } from "./apply.ts";
import { type CachedRun, keyOf } from "./deps.ts";
import type { RunDeps } from "./taskRunReconciler.ts";

/** How long a run may wait for a Task that does not exist before it fails. */
const unknownTaskLimitMs = 24 * 3600 * 1000;

export async function admit(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const notBefore = run.status?.nextAttemptAt ? Date.parse(run.status.nextAttemptAt) : 0;
  if (notBefore > deps.clock()) {
    deps.queue.addAt(keyOf(run), notBefore);
    return undefined;
  }
  let version: string | undefined;
  if (run.spec.task !== undefined) {
    const task = taskOf(deps, run.metadata.namespace, run.spec.task);
    if (!task) return park(deps, run);
    version = run.status?.version ?? run.spec.version ?? (await deps.versions.pin(task)).version;
    if (!(await deps.versions.get(run.metadata.namespace, task.metadata.name, version))) {
      const message = `Task ${run.spec.task} has no version ${version}.`;
      return applyRunEvent(deps, run, { type: "Rejected", reason: "VersionNotFound", message });
    }
  }
  const grant = deps.slots.granted(run) ?? (await ask(deps, run));
  if (!grant) return undefined;
  const admitted = await applyRunEvent(deps, run, { type: "Admitted", slot: grant.slot, version });
  await deps.slots.settle(grant, admitted !== undefined);
  return admitted;
}

/** Puts the run among the pending ones; the grant, when admission gives it at once. */
async function ask(deps: RunDeps, run: TaskRun): Promise<Grant | undefined> {
  await deps.admission.enqueue(pendingOf(run));
  return deps.slots.granted(run);
}

async function park(deps: RunDeps, run: TaskRun): Promise<CachedRun | undefined> {
  const message = `No Task in namespace ${run.metadata.namespace} has the id ${run.spec.task}; the run starts when one is applied.`;
  const until = Date.parse(run.status?.queuedAt ?? "") + unknownTaskLimitMs;
  if (deps.clock() >= until) {
    return applyRunEvent(deps, run, { type: "Rejected", reason: "TaskNotFound", message });
  }
  deps.queue.addAt(keyOf(run), until);
  return applyRunEvent(deps, run, { type: "Parked", reason: "TaskNotFound", message });
}

/** The Task with this id; of several the oldest, the others' status says so. */
export function taskOf(deps: Pick<RunDeps, "tasks">, namespace: string, id: string): Task | undefined {
  const age = ({ metadata }: Task) => `${metadata.creationTimestamp} ${metadata.name}`;
  return deps.tasks
    .byIndex("id", `${namespace}/${id}`)
    .reduce<Task | undefined>(
      (oldest, task) => (oldest && age(oldest) <= age(task) ? oldest : task),
      undefined,
    );
}

export const taskIndex = (task: Task): string[] => [`${task.metadata.namespace}/${idOfTask(task)}`];

function pendingOf(run: TaskRun): PendingRun {
  return {
    namespace: run.metadata.namespace,
    name: run.metadata.name,
    uid: run.metadata.uid,
    queue: run.spec.queue?.name ?? `task/${run.spec.task ?? ""}`,
    concurrencyKey: run.spec.concurrencyKey,
    enqueuedAtMs: Date.parse(run.status?.queuedAt ?? run.metadata.creationTimestamp ?? ""),
    prioritySeconds: run.spec.priority ?? 0,
    slot: run.status?.slot ?? 0,
  };
}
