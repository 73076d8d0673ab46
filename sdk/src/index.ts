/** `@fairlead/sdk`. Every cold start waits for this import: nothing here may load a package or do work. */
export type { StopReason, TaskContext } from "./context.ts";
export { AbortTaskRunError } from "./errors.ts";
export { type LogProperties, logger } from "./logger.ts";
export {
  type HookParams,
  type RunParams,
  type Task,
  type TaskOptions,
  type TaskResult,
  task,
} from "./task.ts";
