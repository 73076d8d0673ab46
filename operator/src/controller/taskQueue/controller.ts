/**
 * TaskQueues. Several may have the same name in `spec.name`, of which one is in force, so the key is that
 * name. A new leader begins with none: admission reads all limits itself when it opens a namespace.
 */
import { controllerOf, onChange } from "../../kube/manager/controller.ts";
import { queueIndex } from "./lookup.ts";
import { type QueueSettingsDeps, reconcileTaskQueue } from "./reconciler.ts";

export const taskQueues = controllerOf<QueueSettingsDeps>({
  name: "taskQueue",
  watches: [onChange(({ queues }) => queues, queueIndex)],
  reconcile: reconcileTaskQueue,
});
