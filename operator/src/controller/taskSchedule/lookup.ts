/** The schedules of a task. */
import type { TaskSchedule } from "../../model/resources.ts";

/** Index of the TaskSchedules' cache by `namespace/id` of the task, as Tasks have it. */
export const scheduleIndex = ({ metadata, spec }: TaskSchedule): string[] => [
  `${metadata.namespace}/${spec.task}`,
];
