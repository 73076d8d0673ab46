/**
 * Every half minute the slots in Redis are compared with the runs that hold one, namespace by namespace. A
 * difference that two sweeps in a row and a read of the run confirm is corrected, and counted as drift
 * (queue/sweeper.ts).
 */
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { Holder } from "../../queue/clusterState.ts";
import { AdmissionClosedError } from "../../queue/namespaceAdmission.ts";
import type { Deps } from "../deps.ts";
import { isJobOf } from "../taskRun/attempt/view.ts";
import { cachedDeletedHolders, readDeletedHolder } from "../taskRun/deleted.ts";
import { holderOf } from "../taskRun/queueEntry.ts";

type SlotSweepDeps = Pick<
  Deps,
  "client" | "runs" | "jobs" | "pods" | "admission" | "log" | "clock" | "config"
>;

export const slotSweeper: PeriodicWork<SlotSweepDeps> = {
  everyMs: 30_000,
  failure: "slots could not be compared",
  begin(deps) {
    // Namespaces of this term: one whose last run was deleted may still have a slot in Redis.
    const namespaces = new Set<string>();
    return (signal) => sweepNamespaces(deps, namespaces, signal);
  },
};

async function sweepNamespaces(
  deps: SlotSweepDeps,
  namespaces: Set<string>,
  signal: AbortSignal,
): Promise<void> {
  const holders = holdersByNamespace(deps);
  for (const namespace of holders.keys()) namespaces.add(namespace);
  for (const namespace of namespaces) {
    if (!deps.admission.isOpen(namespace)) continue;
    try {
      const drift = await deps.admission.sweep(namespace, holders.get(namespace) ?? [], readHolder(deps));
      if (drift.added + drift.released > 0) deps.log.warn({ namespace, ...drift }, "slots had drifted");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof AdmissionClosedError) continue;
      deps.log.warn({ err: error, namespace }, "slots could not be compared");
    }
  }
}

function holdersByNamespace(deps: SlotSweepDeps): Map<string, Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const run of deps.runs.list()) {
    const { namespace } = run.metadata;
    const known = holders.get(namespace) ?? [];
    holders.set(namespace, known);
    if (holdsSlot(run)) known.push(holderOf(run, (job) => hasJob(deps, run, job)));
  }
  for (const holder of cachedDeletedHolders(deps)) {
    holders.set(holder.namespace, [...(holders.get(holder.namespace) ?? []), holder]);
  }
  return holders;
}

const readHolder =
  (deps: SlotSweepDeps) =>
  async (namespace: string, name: string, uid: string): Promise<Holder | undefined> => {
    const run = await deps.client.get(TaskRuns, namespace, name);
    if (run?.metadata.uid !== uid) return readDeletedHolder(deps, namespace, uid);
    if (!holdsSlot(run)) return undefined;
    return holderOf(run, (job) => hasJob(deps, run, job));
  };

/** Of this run, not of an earlier one of its name. */
function hasJob({ jobs }: SlotSweepDeps, run: TaskRun, name: string): boolean {
  const job = jobs.get(run.metadata.namespace, name);
  return job !== undefined && isJobOf(run, job);
}
