/** TaskSchedules, and the Tasks that their ticks wait for. */
import { controllerOf, onChange } from "../../kube/manager/controller.ts";
import { keyOf } from "../../kube/resources.ts";
import type { TaskSchedule } from "../../model/resources.ts";
import type { Deps } from "../deps.ts";
import { taskIndex } from "../task/lookup.ts";
import { reconcileTaskSchedule } from "./reconciler.ts";
import { eventsOfSchedule } from "./scheduleEvents.ts";

export const taskSchedules = controllerOf<Deps, TaskSchedule>({
  name: "taskSchedule",
  objects: ({ schedules }) => schedules,
  watches: [
    onChange(
      ({ tasks }) => tasks,
      (task, { schedules }) => taskIndex(task).flatMap((id) => schedules.byIndex("task", id).map(keyOf)),
    ),
  ],
  events: eventsOfSchedule,
  reconcile: reconcileTaskSchedule,
});
