/** From the name that runs call a queue by to the TaskQueue whose settings are in force. */
import type { Informer } from "../../kube/cache/informer.ts";
import { governing } from "../../model/queue/governing.ts";
import { nameOfQueue, type TaskQueue } from "../../model/resources.ts";

/**
 * Values of the index "name" of the cache of TaskQueues, and keys of their controller: `namespace/name of the
 * queue`.
 */
export const queueIndex = (queue: TaskQueue): string[] => [
  `${queue.metadata.namespace}/${nameOfQueue(queue)}`,
];

export const queueOf = (
  { queues }: { queues: Pick<Informer<TaskQueue>, "byIndex"> },
  namespace: string,
  name: string,
): TaskQueue | undefined => governing(queues.byIndex("name", `${namespace}/${name}`));
