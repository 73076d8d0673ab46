/**
 * The status of TaskQueues: how many runs hold a slot and how many are queued, counted from the runs' own
 * statuses and compared every five seconds. What differs is written. Queues that were created for a trigger
 * and have had no run for long are deleted here, where the count is at hand.
 */
import { originLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { inParallel } from "../../lib/parallel.ts";
import { setCondition } from "../../model/conditions.ts";
import { TaskQueues } from "../../model/kinds.ts";
import { queueNameOf, queueOfTask, settingsOf } from "../../model/queue/governing.ts";
import { nameOfQueue, type TaskQueue, type TaskQueueStatus } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import { type Deps, isoNow } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { whyClosed } from "../taskRun/closed.ts";
import { cachedDeletedHolders, type DeletedRunCaches } from "../taskRun/deleted.ts";

/** A queue that was created on demand is deleted when nothing has referred to it for so long. */
const idleMs = 7 * 24 * 3600 * 1000;

/** Status writes that are under way at once. */
const writesAtOnce = 8;
/** Of one round; more are only counted. */
const loggedFailures = 5;

export interface QueueStatusDeps extends Pick<Deps, "tasks">, DeletedRunCaches {
  client: Pick<Deps["client"], "delete" | "patch">;
  queues: Pick<Deps["queues"], "list" | "upsertFromWrite">;
  owners: Pick<Deps["owners"], "isOurs">;
  admission: Pick<Deps["admission"], "closed">;
  log: Pick<Deps["log"], "warn">;
}

export const queueStatus: PeriodicWork<QueueStatusDeps> = {
  everyMs: 5_000,
  firstMs: 0,
  failure: "the status of queues could not be written",
  begin: (deps) => (signal) => writeQueueStatuses(deps, signal),
};

interface Counts {
  running: number;
  queued: number;
  oldest?: string;
  /** Of a queue that is deleted when it is not used: since when nothing refers to it. */
  idleSince?: string;
  conditions?: TaskQueueStatus["conditions"];
}

/** Resolves when all were tried. What fails is logged, keeps none of the others waiting, and comes again. */
export async function writeQueueStatuses(deps: QueueStatusDeps, signal?: AbortSignal): Promise<void> {
  const counts = countRuns(deps);
  const changes = changesOf(deps, counts);
  let failures = 0;
  const write = async (change: Change): Promise<void> => {
    try {
      await applyChange(deps, change);
    } catch (error) {
      if (signal?.aborted) return;
      const { namespace, name } = change.queue.metadata;
      if (failures++ < loggedFailures)
        deps.log.warn({ err: error, namespace, queue: name }, queueStatus.failure);
    }
  };
  await inParallel(changes, writesAtOnce, write, () => !signal?.aborted);
  if (failures > loggedFailures) deps.log.warn({ queues: failures }, queueStatus.failure);
}

interface Change {
  queue: TaskQueue;
  /** Undefined: the queue is abandoned. */
  patch?: object;
}

function* changesOf(deps: QueueStatusDeps, counts: ReadonlyMap<string, Counts>): Generator<Change> {
  const used = usedQueues(deps);
  const now = isoNow(deps);
  for (const queue of [...deps.queues.list()]) {
    if (!deps.owners.isOurs(queue.metadata.namespace)) continue;
    const key = `${queue.metadata.namespace}/${nameOfQueue(queue)}`;
    const isIdle = isMadeOnDemand(queue) && !used.has(key);
    const idleSince = isIdle ? (queue.status?.idleSince ?? now) : undefined;
    if (idleSince !== undefined && deps.clock() - Date.parse(idleSince) > idleMs) yield { queue };
    else {
      const count = counts.get(key) ?? { running: 0, queued: 0 };
      const patch = statusPatch(queue, { ...count, idleSince, conditions: conditionsOf(deps, queue) });
      if (patch) yield { queue, patch };
    }
  }
}

const admitting = "Admitting";

/** Whether anything is admitted in the queue's namespace; said from the first time on that nothing was. */
function conditionsOf(deps: QueueStatusDeps, { metadata, status }: TaskQueue): TaskQueueStatus["conditions"] {
  const closed = whyClosed(deps.admission, metadata.namespace, deps.clock());
  const before = status?.conditions;
  const isKnown = before?.some(({ type }) => type === admitting);
  if (closed === undefined && !isKnown) return before;
  const condition =
    closed === undefined
      ? { isTrue: true, reason: "AdmissionOpen", message: "" }
      : {
          ...{ isTrue: false, reason: "AdmissionClosed" },
          message: `No run starts in namespace ${metadata.namespace} now: ${closed}`,
        };
  return setCondition(before, { type: admitting, ...condition }, isoNow(deps), undefined);
}

async function applyChange({ client, queues }: QueueStatusDeps, { queue, patch }: Change): Promise<void> {
  const { namespace, name, uid } = queue.metadata;
  if (!patch) {
    await client.delete(TaskQueues, namespace, name, { uid });
    return;
  }
  const written = await client
    .patch(TaskQueues, namespace, name, { status: patch }, { type: "merge", subresource: "status" })
    .catch((error: unknown) => {
      if (!KubeError.is(error, "NotFound")) throw error;
    });
  if (written) queues.upsertFromWrite(written);
}

/** What in the status differs; undefined: nothing. `null` removes a field. */
export function statusPatch(
  queue: TaskQueue,
  { running, queued, oldest, idleSince, conditions = queue.status?.conditions }: Counts,
): object | undefined {
  const { limit, paused } = settingsOf(queue);
  const wanted: TaskQueueStatus = {
    observedGeneration: queue.metadata.generation,
    name: nameOfQueue(queue),
    concurrencyLimit: limit,
    paused,
    running,
    queued,
    oldestQueuedAt: oldest,
    idleSince,
    conditions,
  };
  const isSame = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
  const changed = Object.entries(wanted).filter(
    ([field, value]) => !isSame(queue.status?.[field as keyof TaskQueueStatus], value),
  );
  if (changed.length === 0) return undefined;
  return Object.fromEntries(changed.map(([field, value]) => [field, value ?? null]));
}

function countRuns(deps: QueueStatusDeps): Map<string, Counts> {
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
  for (const { namespace, queue } of cachedDeletedHolders(deps)) {
    const key = `${namespace}/${queue}`;
    const { running, ...others } = counts.get(key) ?? { running: 0, queued: 0 };
    counts.set(key, { ...others, running: running + 1 });
  }
  return counts;
}

/** Not by a user, nor by the API for one, to pause it. A Task's default queue goes with its Task. */
function isMadeOnDemand({ metadata, status }: TaskQueue): boolean {
  const origin = metadata.labels?.[originLabel];
  if (status?.override) return false;
  return origin === "trigger" || (origin === "task" && (metadata.ownerReferences ?? []).length === 0);
}

/** Queues that a run, in whatever phase, or a Task names. */
function usedQueues(deps: QueueStatusDeps): Set<string> {
  const used = new Set<string>();
  for (const task of deps.tasks.list()) used.add(`${task.metadata.namespace}/${queueOfTask(task)}`);
  for (const run of deps.runs.list()) {
    const { namespace } = run.metadata;
    const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
    used.add(`${namespace}/${queueNameOf(run, task)}`);
  }
  return used;
}
