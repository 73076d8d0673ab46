/**
 * Queued → Starting. The order of writes makes a crash between any two harmless:
 * hold in Redis → Starting written → hold confirmed → (attempt.ts) Job created.
 * A Starting run whose hold is not confirmed and that has no Job goes back to Queued.
 */
import { holdsSlot } from "../model/phase.ts";
import { idOfTask, type Task, type TaskRun } from "../model/resources.ts";
import type { Grant, PendingRun } from "../queue/admission.ts";
import { applyRunEvent } from "./apply.ts";
import { type CachedRun, keyOf } from "./deps.ts";
import type { RunDeps } from "./taskRunReconciler.ts";

/** How long a run may wait for a Task that does not exist before it fails. */
const unknownTaskLimitMs = 24 * 3600 * 1000;

/** Grants that arrived and were not written yet, and slots held that must be given back: by run uid. */
const grants = new Map<string, Grant>();
const held = new Map<string, { grant: Grant; name: string }>();

/** Called by admission, at any time. */
export function onGrant(deps: Pick<RunDeps, "queue">, grant: Grant): void {
  grants.set(grant.uid, grant);
  deps.queue.add(`${grant.namespace}/${grant.name}`);
}

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
  const grant = grants.get(run.metadata.uid) ?? (await ask(deps, run));
  if (!grant) return undefined;
  const admitted = await applyRunEvent(deps, run, { type: "Admitted", slot: grant.slot, version });
  grants.delete(run.metadata.uid);
  if (!admitted) {
    await deps.admission.release(grant);
    return undefined;
  }
  held.set(run.metadata.uid, { grant, name: run.metadata.name });
  return admitted;
}

/** Puts the run among the pending ones; the grant, when admission gives it at once. */
async function ask(deps: RunDeps, run: TaskRun): Promise<Grant | undefined> {
  await deps.admission.enqueue(pendingOf(run));
  return grants.get(run.metadata.uid);
}

/** Whether the slot that the run's status names is really held. Asked once before the Job is created. */
export async function slotConfirmed(deps: RunDeps, run: TaskRun): Promise<boolean> {
  const grant = held.get(run.metadata.uid)?.grant ?? grantOf(run);
  held.set(run.metadata.uid, { grant, name: run.metadata.name });
  return deps.admission.confirm(grant);
}

/** Gives back the slot of a run that no longer occupies one. Names exactly the acquisition that it held. */
export async function leaveSlot(deps: RunDeps, run: TaskRun): Promise<void> {
  const slot = held.get(run.metadata.uid);
  if (!slot || holdsSlot(run)) return;
  await deps.admission.release(slot.grant);
  held.delete(run.metadata.uid);
}

/** The run was deleted: its place in the queue and its slot are free. */
export async function forget(deps: RunDeps, namespace: string, name: string): Promise<void> {
  for (const [uid, slot] of held) {
    if (slot.grant.namespace !== namespace || slot.name !== name) continue;
    await deps.admission.release(slot.grant);
    await deps.admission.remove(namespace, uid);
    held.delete(uid);
    grants.delete(uid);
  }
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

function grantOf(run: TaskRun): Grant {
  return {
    namespace: run.metadata.namespace,
    name: run.metadata.name,
    uid: run.metadata.uid,
    slot: run.status?.slot ?? 0,
  };
}
