/** Runs and the runs whose code triggered them. */
import { runId } from "@fairlead/protocol/ids";
import type { Informer } from "../../kube/cache/informer.ts";
import { keyOf } from "../../kube/resources.ts";
import type { TaskRun, TaskRunSpec } from "../../model/resources.ts";
import { isCanceled, isFinished } from "../../model/run/phase.ts";
import type { CachedRun } from "./cache.ts";

interface ParentDeps {
  runs: Pick<Informer<CachedRun>, "get">;
}

/** Undefined when there is none, or it is gone. */
export function parentOf(
  { runs }: ParentDeps,
  namespace: string,
  parent: TaskRunSpec["parent"],
): CachedRun | undefined {
  const found = parent && runs.get(namespace, parent.name);
  return found?.metadata.uid === parent?.uid ? found : undefined;
}

/** Why a run is canceled without having been asked to be; undefined: it is not. */
export function canceledWith(
  deps: ParentDeps,
  { metadata, spec }: Pick<TaskRun, "metadata"> & { spec: Pick<TaskRunSpec, "parent"> },
): string | undefined {
  const parent = parentOf(deps, metadata.namespace, spec.parent);
  return parent && isCanceled(parent)
    ? `Canceled with ${runId(parent.metadata.name)}, whose code triggered it.`
    : undefined;
}

/** The unfinished children of a run that is canceled. */
export const childrenToCancel = (
  run: TaskRun,
  { runs }: { runs: Pick<Informer<CachedRun>, "byIndex"> },
): string[] =>
  isCanceled(run)
    ? runs
        .byIndex("parent", run.metadata.uid)
        .filter((child) => !isFinished(child))
        .map(keyOf)
    : [];
