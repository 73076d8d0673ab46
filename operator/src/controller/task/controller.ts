/** Tasks; and what they own: what was deleted is made again. */
import { controllerOf, onChange } from "../../kube/manager/controller.ts";
import { objectKey } from "../../kube/resources.ts";
import type { ObjectMeta, Task } from "../../model/resources.ts";
import { reconcileTask, type TaskDeps } from "./reconciler.ts";

export const tasks = controllerOf<TaskDeps, Task>({
  name: "task",
  objects: ({ tasks }) => tasks,
  watches: [onChange(({ queues }) => queues, ownerTasks), onChange(({ schedules }) => schedules, ownerTasks)],
  reconcile: reconcileTask,
});

function ownerTasks({ metadata }: { metadata: ObjectMeta }): string[] {
  const owners = metadata.ownerReferences ?? [];
  return owners.flatMap(({ kind, name }) => (kind === "Task" ? [objectKey(metadata.namespace, name)] : []));
}
