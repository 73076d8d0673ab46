/**
 * TaskQueues that are created on demand: for the queue that a Task names, and for a limit that a run brings
 * along.
 *
 * - They are written by server-side apply without force: a field that belongs to another writer stays as it
 *   is.
 * - The limit of a run is written when the run is accepted, before it can be admitted; the last one wins.
 *   Admission gets it at once, not through the watch.
 */
import { type Origin, originLabel } from "@fairlead/protocol/labels";
import type { Informer } from "../../kube/cache/informer.ts";
import { KubeError } from "../../kube/client/client.ts";
import { nearest } from "../../lib/nearest.ts";
import { slug } from "../../model/ids.ts";
import { TaskQueues } from "../../model/kinds.ts";
import { isDeclared, queueNameOf, queueOfTask } from "../../model/queue/governing.ts";
import {
  apiVersion,
  nameOfQueue,
  type OwnerReference,
  type Task,
  type TaskQueue,
  type TaskRun,
} from "../../model/resources.ts";
import type { Deps } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { queueOf } from "./lookup.ts";
import { applySettings } from "./reconciler.ts";

const fieldManager = "fairlead-queues";

type QueueDeps = Pick<Deps, "client" | "tasks" | "queues" | "admission" | "log">;

/** The queue that the Task names, or its default one, has a TaskQueue with the limit that the Task states. */
export async function ensureQueueOfTask(deps: QueueDeps, task: Task): Promise<void> {
  const name = queueOfTask(task);
  const limit = task.spec.queue?.concurrencyLimit;
  const existing = queueOf(deps, task.metadata.namespace, name);
  if (existing && isDeclared(existing.metadata)) return;
  const isOfTask = existing?.metadata.labels?.[originLabel] === "task";
  const isOwn = task.spec.queue?.name === undefined;
  // One that an earlier Task of this name owns goes with that one, unless this one takes it.
  const isOthers =
    isOwn && existing?.metadata.ownerReferences?.some((owner) => owner.uid !== task.metadata.uid);
  if (existing && isOfTask && existing.spec.concurrencyLimit === limit && !isOthers) return;
  // A limit that this Task did not set is not removed either.
  if (existing && limit === undefined && (!isOfTask || task.spec.queue?.name !== undefined)) return;
  const { name: owner, uid } = task.metadata;
  const owners = isOwn ? [{ apiVersion, kind: "Task", name: owner, uid, controller: true }] : undefined;
  await applyQueue(deps, task.metadata.namespace, name, limit, "task", owners);
}

/** The run's limit becomes the queue's, unless a Task set one or the TaskQueue was applied by a user. */
export async function ensureQueueOfRun(deps: QueueDeps, run: TaskRun): Promise<void> {
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
  await applyQueue(deps, namespace, name, limit, "trigger");
}

const comparedNames = 1000;

/** A sentence for a run whose queue has no limit because nothing declares it: perhaps a slip of the pen. */
export function undeclaredQueue(
  {
    queues,
    tasks,
  }: { queues: Pick<Informer<TaskQueue>, "byIndex" | "list">; tasks: Pick<Informer<Task>, "list"> },
  { metadata: { namespace }, spec: { queue } }: Pick<TaskRun, "metadata" | "spec">,
): string | undefined {
  const name = queue?.name;
  if (name === undefined || queue?.concurrencyLimit !== undefined || queueOf({ queues }, namespace, name))
    return undefined;
  const own = <T extends { metadata: { namespace: string } }>(list: Iterable<T>): T[] =>
    [...list].filter((one) => one.metadata.namespace === namespace);
  const known = [...own(queues.list()).map(nameOfQueue), ...own(tasks.list()).map(queueOfTask)];
  if (known.includes(name)) return undefined;
  const meant = nearest(name, known.slice(0, comparedNames));
  return `No TaskQueue and no Task declares the queue "${name}": it has no limit of its own.${meant ? ` It may be ${meant}.` : ""}`;
}

async function applyQueue(
  deps: QueueDeps,
  namespace: string,
  queue: string,
  limit: number | undefined,
  origin: Origin,
  ownerReferences?: OwnerReference[],
  isRepeated = false,
): Promise<void> {
  const name = objectNameOf(deps, namespace, queue);
  const body = (labels: Record<string, string>) => ({
    apiVersion,
    kind: "TaskQueue",
    metadata: { name, namespace, labels, ownerReferences },
    spec: { name: queue, concurrencyLimit: limit },
  });
  const write = (labels: Record<string, string>) =>
    deps.client.patch(TaskQueues, namespace, name, body(labels), { type: "apply", fieldManager });
  try {
    // A TaskQueue that the API created, to pause the queue, keeps its label.
    const written = (await unlessConflict(write({ [originLabel]: origin }))) ?? (await write({}));
    deps.queues.upsertFromWrite(written);
    applySettings(deps, namespace, queue);
  } catch (error) {
    if (!KubeError.is(error, "Conflict")) throw error;
    const live = await deps.client.get(TaskQueues, namespace, name);
    if (live) deps.queues.upsertFromWrite(live);
    // The name was taken by another queue, which the cache did not have.
    if (!isRepeated && live && nameOfQueue(live) !== queue)
      return applyQueue(deps, namespace, queue, limit, origin, ownerReferences, true);
    deps.log.info({ namespace, queue }, "the queue's limit is managed by another writer and stays as it is");
  }
}

/** That of the queue, unless a TaskQueue has it that is another queue by its `spec.name`. */
function objectNameOf({ queues }: QueueDeps, namespace: string, queue: string): string {
  const name = slug(queue);
  const there = queues.get(namespace, name);
  return there && nameOfQueue(there) !== queue ? slug(`${queue}?`) : name;
}

async function unlessConflict<T>(write: Promise<T>): Promise<T | undefined> {
  try {
    return await write;
  } catch (error) {
    if (KubeError.is(error, "Conflict")) return undefined;
    throw error;
  }
}
