/**
 * Every half minute the slots in Redis are compared with the runs that hold one, namespace by namespace. What two
 * sweeps in a row and a live read agree on is mended, and counted as drift (queue/sweeper.ts).
 */
import { setTimeout as pause } from "node:timers/promises";
import { TaskRuns } from "../../model/kinds.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { Holder } from "../../queue/clusterState.ts";
import { AdmissionClosedError } from "../../queue/namespaceAdmission.ts";
import type { Deps } from "../deps.ts";
import { holderOf } from "../taskRun/queueEntry.ts";

const everyMs = 30_000;

export async function sweepSlots(deps: Deps, signal: AbortSignal): Promise<void> {
  /** Of this term: one whose last run is gone may still have a slot to be found. */
  const namespaces = new Set<string>();
  while (!signal.aborted) {
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const holders = holdersByNamespace(deps);
    for (const namespace of holders.keys()) namespaces.add(namespace);
    for (const namespace of namespaces) {
      if (!deps.admission.isOpen(namespace)) continue;
      try {
        const drift = await deps.admission.sweep(namespace, holders.get(namespace) ?? [], readHolder(deps));
        if (drift.added + drift.released > 0) deps.log.warn({ namespace, ...drift }, "slots had drifted");
      } catch (error) {
        if (signal.aborted || error instanceof AdmissionClosedError) continue;
        deps.log.warn({ err: error, namespace }, "slots could not be compared");
      }
    }
  }
}

function holdersByNamespace(deps: Deps): Map<string, Holder[]> {
  const holders = new Map<string, Holder[]>();
  for (const run of deps.runs.list()) {
    const { namespace } = run.metadata;
    const known = holders.get(namespace) ?? [];
    holders.set(namespace, known);
    if (holdsSlot(run))
      known.push(holderOf(run, (job) => deps.jobs.get(run.metadata.namespace, job) !== undefined));
  }
  return holders;
}

const readHolder =
  (deps: Deps) =>
  async (namespace: string, name: string, uid: string): Promise<Holder | undefined> => {
    const run = await deps.client.get(TaskRuns, namespace, name);
    if (!run || run.metadata.uid !== uid || !holdsSlot(run)) return undefined;
    return holderOf(run, (job) => deps.jobs.get(namespace, job) !== undefined);
  };
