/**
 * Runs that were deleted while they had a slot. Deleting a run deletes its Job, but its container may use its
 * grace period: the slot is free when no container of that run can run any more. Nothing hangs on it: no
 * finalizer, only a look at the run's Jobs and pods, which their changes and a timer repeat.
 *
 * The pods of a run are found by its uid. A pod that was asked to end and whose node does not answer counts
 * as gone after nodeLostAfterSeconds, as it does for a run that is there.
 */
import { managedSelector, runUidLabel } from "@fairlead/protocol/labels";
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { observePod } from "../../jobs/podObserver.ts";
import { type NotedSlot, slotOf } from "../../jobs/slotNote.ts";
import type { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { at, done, earliest, type Requeue } from "../../kube/manager/requeue.ts";
import { Jobs, Pods } from "../../kube/resources.ts";
import type { TaskRun } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { Holder } from "../../queue/clusterState.ts";
import type { Deps } from "../deps.ts";

export interface DeletedRunDeps extends Pick<Deps, "clock"> {
  slots: Pick<Deps["slots"], "adopt" | "deleted" | "keepOnlySlot" | "forget">;
  client: Pick<KubeClient, "list">;
  pods: Pick<Informer<V1Pod>, "byIndex">;
  config: Pick<Deps["config"], "nodeLostAfterSeconds">;
}

const recheckMs = 2_000;

/** Gives up what the deleted runs of this name have. `present`: the run that has the name now, if any. */
export async function releaseDeleted(
  deps: DeletedRunDeps,
  namespace: string,
  name: string,
  present: TaskRun | undefined,
): Promise<Requeue> {
  if (present?.metadata.deletionTimestamp && holdsSlot(present)) {
    deps.slots.adopt([{ namespace, name, uid: present.metadata.uid, slot: present.status?.slot ?? 0 }]);
  }
  let requeue = done;
  for (const run of deps.slots.deleted(namespace, name, present)) {
    const { isHeld } = await deps.slots.keepOnlySlot(run);
    if (isHeld && (await hasContainers(deps, namespace, run.uid))) {
      requeue = earliest(requeue, at(deps.clock() + recheckMs));
    } else await deps.slots.forget(run);
  }
  return requeue;
}

/** The cache is believed when it says that there are some; that there are none the API server must say. */
async function hasContainers(deps: DeletedRunDeps, namespace: string, uid: string): Promise<boolean> {
  const now = deps.clock();
  const { nodeLostAfterSeconds } = deps.config;
  if (mayRun([], deps.pods.byIndex("runUid", uid), now, nodeLostAfterSeconds)) return true;
  return (await readDeletedHolder(deps, namespace, uid)) !== undefined;
}

/** The slot that the containers of a deleted run hold, by a consistent read; undefined: there are none. */
export async function readDeletedHolder(
  deps: Pick<DeletedRunDeps, "client" | "clock" | "config">,
  namespace: string,
  uid: string,
): Promise<Holder | undefined> {
  const options = { labelSelector: `${managedSelector},${runUidLabel}=${uid}` };
  // The Job first: without it no pod can come after the list was made.
  const jobs = await deps.client.list(Jobs, namespace, options);
  const pods = await deps.client.list(Pods, namespace, options);
  return deletedHolders(
    jobs.items,
    pods.items,
    () => false,
    deps.clock(),
    deps.config.nodeLostAfterSeconds,
  )[0];
}

/**
 * The slots that containers hold whose run was deleted, by the notes on Jobs and pods. `isPresent`: whether
 * the run with this uid is there; then its status says what it holds.
 */
export function deletedHolders(
  jobs: Iterable<V1Job>,
  pods: Iterable<V1Pod>,
  isPresent: (uid: string) => boolean,
  now: number,
  nodeLostAfterSeconds: number,
): Holder[] {
  const byUid = new Map<string, { slot: NotedSlot; jobs: V1Job[]; pods: V1Pod[] }>();
  const entryOf = (object: V1Job | V1Pod) => {
    const uid = object.metadata?.labels?.[runUidLabel];
    const slot = uid === undefined || isPresent(uid) ? undefined : slotOf(object);
    if (!slot) return undefined;
    const entry = byUid.get(slot.uid) ?? { slot, jobs: [], pods: [] };
    byUid.set(slot.uid, entry);
    // The Jobs of earlier attempts have lower numbers.
    if (slot.slot > entry.slot.slot) entry.slot = slot;
    return entry;
  };
  for (const job of jobs) entryOf(job)?.jobs.push(job);
  for (const pod of pods) entryOf(pod)?.pods.push(pod);
  return [...byUid.values()]
    .filter((entry) => mayRun(entry.jobs, entry.pods, now, nodeLostAfterSeconds))
    .map(({ slot }) => ({ ...slot, tentative: false }));
}

export interface DeletedRunCaches extends Pick<Deps, "clock"> {
  jobs: Pick<Informer<V1Job>, "list">;
  pods: Pick<Informer<V1Pod>, "list">;
  runs: { list(): Iterable<TaskRun> };
  config: Pick<Deps["config"], "nodeLostAfterSeconds">;
}

/** The same by the caches. */
export function cachedDeletedHolders({ jobs, pods, runs, clock, config }: DeletedRunCaches): Holder[] {
  const present = new Set<string>();
  for (const run of runs.list()) present.add(run.metadata.uid);
  const isPresent = (uid: string): boolean => present.has(uid);
  return deletedHolders(jobs.list(), pods.list(), isPresent, clock(), config.nodeLostAfterSeconds);
}

/** Whether a container of the run runs, or may still begin to. */
function mayRun(
  jobs: readonly V1Job[],
  pods: readonly V1Pod[],
  now: number,
  nodeLostAfterSeconds: number,
): boolean {
  if (pods.some((pod) => !isGone(pod, now, nodeLostAfterSeconds))) return true;
  const owners = new Set(pods.flatMap(({ metadata }) => metadata?.ownerReferences?.map(({ uid }) => uid)));
  return jobs.some((job) => !isOver(job) && !owners.has(job.metadata?.uid));
}

function isGone(pod: V1Pod, now: number, nodeLostAfterSeconds: number): boolean {
  const seen = observePod(pod);
  if (seen.state === "ended") return true;
  const { deletionTimestamp } = pod.metadata ?? {};
  return (
    deletionTimestamp !== undefined &&
    now >= new Date(deletionTimestamp).getTime() + nodeLostAfterSeconds * 1000
  );
}

/** The Job makes no pod any more. */
const isOver = ({ status }: V1Job): boolean =>
  status?.conditions?.some(
    ({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True",
  ) ?? false;
