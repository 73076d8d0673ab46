/** Tasks. */
import { controllerOf } from "../../kube/manager/controller.ts";
import type { Task } from "../../model/resources.ts";
import { reconcileTask, type TaskDeps } from "./reconciler.ts";

export const tasks = controllerOf<TaskDeps, Task>({
  name: "task",
  objects: ({ tasks }) => tasks,
  reconcile: reconcileTask,
});
