/**
 * Queued → Starting. The order of writes makes a crash between any two harmless:
 * hold in Redis → Starting written → hold confirmed → (attempt.ts) Job created.
 * A Starting run whose hold is not confirmed and that has no Job goes back to Queued.
 */
import { ttlSecondsOf } from "../../model/environment.ts";
import type { Task, TaskRun } from "../../model/resources.ts";
import { keyOf, type RunDeps } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { applyRunEvent } from "./applyRunEvent.ts";
import type { CachedRun } from "./cache.ts";
import { duplicateOf } from "./duplicates.ts";
import { pendingOf } from "./queueEntry.ts";

/** How long a run may wait for a Task that does not exist before it fails. */
const unknownTaskLimitMs = 24 * 3600 * 1000;

export async function admit(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const { namespace } = run.metadata;
  const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
  if (isExpired(deps, run, task)) return applyRunEvent(deps, run, { type: "TtlElapsed" });
  const notBefore = run.status?.nextAttemptAt ? Date.parse(run.status.nextAttemptAt) : 0;
  if (notBefore > deps.clock()) {
    deps.queue.addAt(keyOf(run), notBefore);
    return undefined;
  }
  if (!run.status?.attempt) {
    const duplicate = await duplicateOf(deps, run);
    if (duplicate) return applyRunEvent(deps, run, duplicate);
  }
  let version: string | undefined;
  if (run.spec.task !== undefined) {
    if (!task) {
      await deps.slots.withdraw(run);
      return park(deps, run);
    }
    version = run.status?.version ?? run.spec.version ?? (await deps.versions.pin(task)).version;
    if (!(await deps.versions.get(namespace, task.metadata.name, version))) {
      const message = `Task ${run.spec.task} has no version ${version}.`;
      return applyRunEvent(deps, run, { type: "Rejected", reason: "VersionNotFound", message });
    }
  }
  const place = pendingOf(run, task);
  const grant = deps.slots.granted(run) ?? (await deps.slots.ask(place));
  if (!grant) return undefined;
  const admitted = await applyRunEvent(deps, run, {
    type: "Admitted",
    slot: grant.slot,
    queue: place.queue,
    version,
  });
  await deps.slots.settle(grant, admitted !== undefined);
  return admitted;
}

/** Whether the run has waited for its first start for longer than its ttl; otherwise it is looked at again then. */
function isExpired(deps: RunDeps, run: CachedRun, task: Task | undefined): boolean {
  const ttl = ttlSecondsOf(run, task, deps.environments.of(run.metadata.namespace).type);
  if (ttl === 0 || run.status?.startedAt || !run.status?.queuedAt) return false;
  const due = Date.parse(run.status.queuedAt) + ttl * 1000;
  if (deps.clock() >= due) return true;
  deps.queue.addAt(keyOf(run), due);
  return false;
}

async function park(deps: RunDeps, run: TaskRun): Promise<CachedRun | undefined> {
  const message = `No Task in namespace ${run.metadata.namespace} has the id ${run.spec.task}; the run starts when one is applied.`;
  const until = Date.parse(run.status?.queuedAt ?? "") + unknownTaskLimitMs;
  if (deps.clock() >= until) {
    return applyRunEvent(deps, run, { type: "Rejected", reason: "TaskNotFound", message });
  }
  deps.queue.addAt(keyOf(run), until);
  return applyRunEvent(deps, run, { type: "Inadmissible", reason: "TaskNotFound", message });
}
