/**
 * TaskRuns, with their Jobs and pods, by two controllers: one takes a run to its end, the other one clears up
 * behind it. And what they wait for: a Task that is missing, the end of their batch.
 */
import { runLabel } from "@fairlead/protocol/labels";
import { controllerOf, keyOfLabel, onChange } from "../../kube/manager/controller.ts";
import { keyOf } from "../../kube/resources.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import type { Deps } from "../deps.ts";
import { taskIndex } from "../task/lookup.ts";
import type { CachedRun } from "./cache.ts";
import { reconcileEnded } from "./endedReconciler.ts";
import { childrenToCancel } from "./parents.ts";
import { reconcileTaskRun } from "./reconciler.ts";
import { eventsBetween } from "./runEvents.ts";

export const taskRuns = controllerOf<Deps, CachedRun>({
  name: "taskRun",
  objects: ({ runs }) => runs,
  watches: [
    onChange(({ jobs }) => jobs, keyOfLabel(runLabel)),
    onChange(({ pods }) => pods, keyOfLabel(runLabel)),
    onChange(
      ({ runs }) => runs,
      (run: CachedRun, deps) => childrenToCancel(run, deps),
    ),
    onChange(
      ({ tasks }) => tasks,
      (task, { runs }) => taskIndex(task).flatMap((id) => runs.byIndex("missingTask", id).map(keyOf)),
    ),
  ],
  events: eventsBetween,
  reconcile: reconcileTaskRun,
});

/**
 * What is left of attempts and runs that have ended: best-effort work, with workers of its own. A run goes on
 * whatever becomes of the log of an earlier attempt.
 */
export const endedRuns = controllerOf<Deps, CachedRun>({
  name: "endedRun",
  objects: ({ runs }) => runs,
  watches: [
    onChange(({ jobs }) => jobs, keyOfLabel(runLabel)),
    onChange(({ pods }) => pods, keyOfLabel(runLabel)),
    // The runs of a finished batch may be retired.
    onChange(
      ({ batches }) => batches,
      (batch, { runs }) => (isBatchFinished(batch) ? runs.byIndex("batch", keyOf(batch)).map(keyOf) : []),
    ),
  ],
  reconcile: reconcileEnded,
});
