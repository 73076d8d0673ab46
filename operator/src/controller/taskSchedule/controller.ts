/** TaskSchedules. */
import { controllerOf } from "../../kube/manager/controller.ts";
import type { TaskSchedule } from "../../model/resources.ts";
import { reconcileTaskSchedule, type ScheduleDeps } from "./reconciler.ts";

export const taskSchedules = controllerOf<ScheduleDeps, TaskSchedule>({
  name: "taskSchedule",
  objects: ({ schedules }) => schedules,
  reconcile: reconcileTaskSchedule,
});
