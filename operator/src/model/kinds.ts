/**
 * Where Fairlead's own kinds live on the API server: what kube/ needs to address them. The type argument is
 * what a client call with that kind returns.
 */
import {
  group,
  type Task,
  type TaskBatch,
  type TaskQueue,
  type TaskRun,
  type TaskSchedule,
  version,
  type WaitToken,
} from "./resources.ts";

/** The same shape as `Resource` in kube/resources.ts, which knows no kind of ours. */
interface Kind<T> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries T. */
  readonly type?: T;
}

const define = <T>(plural: string, kind: string): Kind<T> => ({
  group,
  version,
  plural,
  kind,
  namespaced: true,
});

export const Tasks = define<Task>("tasks", "Task");
export const TaskRuns = define<TaskRun>("taskruns", "TaskRun");
export const TaskBatches = define<TaskBatch>("taskbatches", "TaskBatch");
export const TaskQueues = define<TaskQueue>("taskqueues", "TaskQueue");
export const WaitTokens = define<WaitToken>("waittokens", "WaitToken");
export const TaskSchedules = define<TaskSchedule>("taskschedules", "TaskSchedule");
