/**
 * TaskQueues. Several may have the same name in `spec.name`, of which one is in force, so the key is that
 * name. A new leader begins with none: admission reads all limits itself when it opens a namespace.
 */
import { controllerOf } from "../../kube/manager/controller.ts";
import { haveSameSettings } from "../../model/queue/governing.ts";
import type { TaskQueue } from "../../model/resources.ts";
import { queueIndex } from "./lookup.ts";
import { type QueueSettingsDeps, reconcileTaskQueue } from "./reconciler.ts";

/** The counts in a status change every few seconds and mean nothing to admission. */
function keysOfChange(before: TaskQueue | undefined, after: TaskQueue | undefined): string[] {
  if (before && after && haveSameSettings(before, after)) return [];
  return [before, after].flatMap((queue) => (queue ? queueIndex(queue) : []));
}

export const taskQueues = controllerOf<QueueSettingsDeps>({
  name: "taskQueue",
  watches: [
    ({ queues }, { subscribe, add }) =>
      subscribe(queues, (_key, before, after) => {
        for (const key of keysOfChange(before, after)) add(key);
      }),
  ],
  reconcile: reconcileTaskQueue,
});
