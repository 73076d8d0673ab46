/**
 * TaskQueues: made on demand, their settings given to admission, their status kept fresh.
 *
 * - A queue that a Task names, and one whose limit was given at trigger time, gets a resource of ours (label origin).
 *   It is written by server-side apply without force: a field that somebody else owns stays theirs.
 * - A limit given at trigger time is written when its run is accepted, before it can be admitted; the last one wins.
 * - Status is compared every five seconds and written when it differs. Counts come from the runs' own statuses.
 */

import { setTimeout as pause } from "node:timers/promises";
import { type Origin, originLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import { slug } from "../../model/ids.ts";
import { TaskQueues } from "../../model/kinds.ts";
import { governing, isDeclared, queueNameOf, queueOfTask, settingsOf } from "../../model/queue/governing.ts";
import {
  apiVersion,
  nameOfQueue,
  type OwnerReference,
  type Task,
  type TaskQueue,
  type TaskQueueStatus,
  type TaskRun,
} from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import { type Deps, isoNow } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";

const fieldManager = "fairlead-queues";
const statusEveryMs = 5_000;
/** A queue that a trigger made and that no run is in any more goes after a week. */
const idleDays = 7;

export const queueIndex = (queue: TaskQueue): string[] => [
  `${queue.metadata.namespace}/${nameOfQueue(queue)}`,
];

export const queueOf = (deps: Pick<Deps, "queues">, namespace: string, name: string): TaskQueue | undefined =>
  governing(deps.queues.byIndex("name", `${namespace}/${name}`));

/** A Task's queue, named by it or its default, has a resource with the limit that the Task states. */
export async function ensureQueueOfTask(deps: Deps, task: Task): Promise<void> {
  const name = queueOfTask(task);
  const limit = task.spec.queue?.concurrencyLimit;
  const existing = queueOf(deps, task.metadata.namespace, name);
  if (existing && isDeclared(existing.metadata)) return;
  const isOfTask = existing?.metadata.labels?.[originLabel] === "task";
  if (existing && isOfTask && existing.spec.concurrencyLimit === limit) return;
  // A limit of somebody else's is removed only by who set it.
  if (existing && limit === undefined && (!isOfTask || task.spec.queue?.name !== undefined)) return;
  const { name: owner, uid } = task.metadata;
  const isOwn = task.spec.queue?.name === undefined;
  const owners = isOwn ? [{ apiVersion, kind: "Task", name: owner, uid, controller: true }] : undefined;
  await apply(deps, task.metadata.namespace, name, limit, "task", owners);
}

/** The limit that a run brought along, unless the queue is a Task's or declared. */
export async function ensureQueueOfRun(deps: Deps, run: TaskRun): Promise<void> {
  const limit = run.spec.queue?.concurrencyLimit;
  if (limit === undefined) return;
  const { namespace } = run.metadata;
  const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
  const name = queueNameOf(run, task);
  const existing = queueOf(deps, namespace, name);
  const isOurs = existing?.metadata.labels?.[originLabel] === "trigger";
  const taskHasLimit = existing?.spec.concurrencyLimit !== undefined;
  if (existing && !isOurs && (isDeclared(existing.metadata) || taskHasLimit)) return;
  if (existing?.spec.concurrencyLimit === limit) return;
  await apply(deps, namespace, name, limit, "trigger");
}

async function apply(
  deps: Deps,
  namespace: string,
  queue: string,
  limit: number | undefined,
  origin: Origin,
  ownerReferences?: OwnerReference[],
): Promise<void> {
  const name = slug(queue);
  const body = (labels: Record<string, string>) => ({
    apiVersion,
    kind: "TaskQueue",
    metadata: { name, namespace, labels, ownerReferences },
    spec: { name: queue, concurrencyLimit: limit },
  });
  const write = (labels: Record<string, string>) =>
    deps.client.patch(TaskQueues, namespace, name, body(labels), { type: "apply", fieldManager });
  try {
    // One that the API made, to pause it, keeps the label that it has.
    const written = (await unlessConflict(write({ [originLabel]: origin }))) ?? (await write({}));
    deps.queues.upsertFromWrite(written);
    announce(deps, namespace, queue);
  } catch (error) {
    if (!KubeError.is(error, "Conflict")) throw error;
    deps.log.info({ namespace, queue }, "the queue's limit belongs to somebody else and stays");
  }
}

async function unlessConflict<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (KubeError.is(error, "Conflict")) return undefined;
    throw error;
  }
}

/** Tells admission what the queue's settings are now. */
export function announce(deps: Pick<Deps, "queues" | "admission">, namespace: string, name: string): void {
  deps.admission.setQueueLimit(namespace, { name, ...settingsOf(queueOf(deps, namespace, name)) });
}

interface Counts {
  running: number;
  queued: number;
  oldest?: string;
}

/** Keeps the status of every TaskQueue fresh until the signal is aborted. */
export async function keepQueueStatus(deps: Deps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await writeQueueStatuses(deps, signal);
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ err: error }, "the status of queues could not be written");
    }
    await pause(statusEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

export async function writeQueueStatuses(deps: Deps, signal?: AbortSignal): Promise<void> {
  const counts = countRuns(deps);
  for (const queue of deps.queues.list()) {
    if (signal?.aborted) return;
    const { namespace, name } = queue.metadata;
    const count = counts.get(`${namespace}/${nameOfQueue(queue)}`);
    if (!count && isForgotten(deps, queue)) {
      await deps.client.delete(TaskQueues, namespace, name, { uid: queue.metadata.uid });
      continue;
    }
    const patch = statusPatch(queue, count ?? { running: 0, queued: 0 });
    if (!patch) continue;
    const written = await deps.client
      .patch(TaskQueues, namespace, name, { status: patch }, { type: "merge", subresource: "status" })
      .catch((error: unknown) => {
        if (!KubeError.is(error, "NotFound")) throw error;
      });
    if (written) deps.queues.upsertFromWrite(written);
  }
}

/** What in the status differs; undefined: nothing. `null` removes a field. */
export function statusPatch(queue: TaskQueue, { running, queued, oldest }: Counts): object | undefined {
  const { limit, paused } = settingsOf(queue);
  const wanted: TaskQueueStatus = {
    observedGeneration: queue.metadata.generation,
    name: nameOfQueue(queue),
    concurrencyLimit: limit,
    paused,
    running,
    queued,
    oldestQueuedAt: oldest,
  };
  const changed = Object.entries(wanted).filter(
    ([field, value]) => queue.status?.[field as keyof TaskQueueStatus] !== value,
  );
  if (changed.length === 0) return undefined;
  return Object.fromEntries(changed.map(([field, value]) => [field, value ?? null]));
}

function countRuns(deps: Deps): Map<string, Counts> {
  const counts = new Map<string, Counts>();
  for (const run of deps.runs.list()) {
    const holds = holdsSlot(run);
    if (!holds && run.status?.phase !== "Queued") continue;
    const { namespace } = run.metadata;
    const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
    const key = `${namespace}/${queueNameOf(run, task)}`;
    const count = counts.get(key) ?? { running: 0, queued: 0 };
    counts.set(key, count);
    if (holds) count.running++;
    else {
      count.queued++;
      const at = run.status?.queuedAt;
      if (at && (!count.oldest || at < count.oldest)) count.oldest = at;
    }
  }
  return counts;
}

function isForgotten(deps: Deps, queue: TaskQueue): boolean {
  if (queue.metadata.labels?.[originLabel] !== "trigger" || queue.status?.override) return false;
  const age = Date.parse(isoNow(deps)) - Date.parse(queue.metadata.creationTimestamp ?? isoNow(deps));
  return age > idleDays * 24 * 3600 * 1000;
}
