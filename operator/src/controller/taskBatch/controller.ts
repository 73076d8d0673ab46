/** TaskBatches, and the runs that belong to them. */
import { batchLabel } from "@fairlead/protocol/labels";
import { controllerOf, keyOfLabel, onChange } from "../../kube/manager/controller.ts";
import type { CachedBatch } from "./cache.ts";
import { reconcileTaskBatch } from "./reconciler.ts";
import type { BatchDeps } from "./status.ts";

export const taskBatches = controllerOf<BatchDeps, CachedBatch>({
  name: "taskBatch",
  objects: ({ batches }) => batches,
  watches: [onChange(({ runs }) => runs, keyOfLabel(batchLabel))],
  reconcile: reconcileTaskBatch,
});
