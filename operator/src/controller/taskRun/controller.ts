/**
 * TaskRuns, with their Jobs and pods; and what they wait for: a Task that is missing, the end of their batch.
 */
import { runLabel } from "@fairlead/protocol/labels";
import { controllerOf, keyOfLabel, onChange } from "../../kube/manager/controller.ts";
import { keyOf } from "../../kube/resources.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import type { Deps } from "../deps.ts";
import { taskIndex } from "../task/lookup.ts";
import type { CachedRun } from "./cache.ts";
import { reconcileTaskRun } from "./reconciler.ts";
import { eventsBetween } from "./runEvents.ts";

export const taskRuns = controllerOf<Deps, CachedRun>({
  name: "taskRun",
  objects: ({ runs }) => runs,
  watches: [
    onChange(({ jobs }) => jobs, keyOfLabel(runLabel)),
    onChange(({ pods }) => pods, keyOfLabel(runLabel)),
    onChange(
      ({ tasks }) => tasks,
      (task, { runs }) => taskIndex(task).flatMap((id) => runs.byIndex("missingTask", id).map(keyOf)),
    ),
    // The runs of a finished batch may be retired.
    onChange(
      ({ batches }) => batches,
      (batch, { runs }) => (isBatchFinished(batch) ? runs.byIndex("batch", keyOf(batch)).map(keyOf) : []),
    ),
  ],
  events: eventsBetween,
  reconcile: reconcileTaskRun,
});
