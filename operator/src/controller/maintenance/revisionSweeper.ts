/**
 * Deletes the stored versions of Tasks (task/taskVersions.ts) that nothing refers to any more. Kept are:
 *
 *   - the version that an unfinished run is pinned to, or asks for by `spec.version`;
 *   - a living Task's present version, and the newest ten of each Task, for runs to come that ask for one;
 *   - any that is younger than an hour: a run that was just pinned may not be in the cache. Without its Task,
 *     younger than a day: the Task may be applied again.
 */
import { managedSelector, taskLabel } from "@fairlead/protocol/labels";
import type { V1ControllerRevision } from "@kubernetes/client-node";
import { KubeError } from "../../kube/client/kubeError.ts";
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { ControllerRevisions } from "../../kube/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import type { Deps } from "../deps.ts";
import { revisionOf, versionOf } from "../task/taskVersions.ts";

const keptPerTask = 10;
const deletesPerRound = 1_000;
const [hourMs, dayMs] = [3_600_000, 24 * 3_600_000];

export type RevisionSweepDeps = Pick<
  Deps,
  "client" | "owners" | "runs" | "tasks" | "versions" | "config" | "clock"
>;

export const revisionSweeper: PeriodicWork<RevisionSweepDeps> = {
  everyMs: 10 * 60_000,
  firstMs: 5 * 60_000,
  failure: "old versions of Tasks could not be deleted",
  begin: (deps) => (signal) => sweepRevisions(deps, signal),
};

export async function sweepRevisions(deps: RevisionSweepDeps, signal?: AbortSignal): Promise<void> {
  const { watchNamespaces } = deps.config;
  const namespaces = watchNamespaces.length > 0 ? watchNamespaces : [undefined];
  let left = deletesPerRound;
  for (const namespace of namespaces) {
    const revisions: V1ControllerRevision[] = [];
    const options = { labelSelector: managedSelector, metadataOnly: true };
    for await (const one of deps.client.listAll(ControllerRevisions, namespace, options)) revisions.push(one);
    for (const { metadata } of unreferred(deps, revisions)) {
      if (signal?.aborted || left-- === 0) return;
      const { namespace: within = "", name = "", uid } = metadata ?? {};
      if (deps.owners.otherOwner(within) !== undefined) continue;
      await deps.client.delete(ControllerRevisions, within, name, { uid }).catch(unlessGone);
      deps.versions.forget(within, name);
    }
  }
}

function unreferred(
  deps: RevisionSweepDeps,
  revisions: readonly V1ControllerRevision[],
): V1ControllerRevision[] {
  const wanted = wantedVersions(deps);
  const byTask = Map.groupBy(
    revisions,
    ({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.[taskLabel]}`,
  );
  return [...byTask].flatMap(([task, all]) => {
    const [namespace = "", name = ""] = task.split("/");
    const isAlive = deps.tasks.get(namespace, name) !== undefined;
    const oldestFirst = all.toSorted((a, b) => createdAt(a) - createdAt(b));
    const candidates = isAlive ? oldestFirst.slice(0, -keptPerTask) : oldestFirst;
    const horizon = deps.clock() - (isAlive ? hourMs : dayMs);
    return candidates.filter((one) => {
      const revision = one.metadata?.name ?? "";
      const version = revision.slice(name.length + 1);
      const isWanted = wanted.has(`${namespace}/${revision}`) || wanted.has(`${namespace}@${version}`);
      return createdAt(one) < horizon && !isWanted;
    });
  });
}

/** As `namespace/revision`, and `namespace@version` of runs that ask for a version. */
function wantedVersions({ runs, tasks }: RevisionSweepDeps): Set<string> {
  const wanted = new Set<string>();
  for (const task of tasks.list()) {
    const { namespace, name } = task.metadata;
    wanted.add(`${namespace}/${revisionOf(name, versionOf(task))}`);
  }
  for (const run of runs.list()) {
    if (isFinished(run)) continue;
    const { namespace } = run.metadata;
    if (run.status?.controllerRevision) wanted.add(`${namespace}/${run.status.controllerRevision}`);
    if (run.spec.version) wanted.add(`${namespace}@${run.spec.version}`);
  }
  return wanted;
}

const createdAt = ({ metadata }: V1ControllerRevision): number =>
  new Date(metadata?.creationTimestamp ?? Number.NaN).getTime();

function unlessGone(error: unknown): void {
  if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
}
