/** `@fairlead/sdk`. Every cold start waits for this import: nothing here may load a package or do work. */
export type { StopReason, TaskContext } from "@fairlead/protocol/context";
export type { MachineName } from "@fairlead/protocol/machines";
export type { BatchStatus, RunStatus } from "@fairlead/protocol/status";
export {
  ApiConnectionError,
  ApiError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
} from "./client/apiError.ts";
export { auth, type Scopes, type TokenOptions, type TriggerTokenOptions } from "./client/auth.ts";
export { type EnvVar, envvars } from "./client/envvars.ts";
export { idempotencyKeys, type KeyScope } from "./client/idempotencyKeys.ts";
export type { OffsetPage } from "./client/offsetPage.ts";
export { type Queue, type QueuePage, type QueueRef, queues } from "./client/queues.ts";
export {
  type ListRunsOptions,
  type Run,
  type RunOf,
  type RunPage,
  type RunSummary,
  runs,
} from "./client/runs.ts";
export { type Schedule, type ScheduleOptions, type SchedulePage, schedules } from "./client/schedules.ts";
export { type ClientSettings, configure } from "./client/settings.ts";
export { type Batch, batch, tasks } from "./client/trigger.ts";
export {
  AbortTaskRunError,
  InvalidOptionError,
  MissingSettingError,
  OutOfMemoryError,
  SubtaskUnwrapError,
  WaitpointTimeoutError,
} from "./errors.ts";
export type { RegisterHook } from "./inside/globalHooks.ts";
export { heartbeats, type Local, locals, tags, timeout, usage } from "./inside/inside.ts";
export { type MetadataUpdater, metadata } from "./inside/metadata.ts";
export {
  type ListTokensOptions,
  type RetrievedToken,
  type TokenResult,
  type WaitForOptions,
  type WaitToken,
  type WaitTokenOptions,
  type WaitUntilOptions,
  wait,
} from "./inside/wait.ts";
export { type LogProperties, logger, type Span } from "./logger.ts";
export { type StandardSchema, TaskPayloadParsedError } from "./schema.ts";
export {
  type QueueOptions,
  queue,
  type ScheduledTaskOptions,
  type ScheduledTaskPayload,
  type SchemaTaskOptions,
  schemaTask,
} from "./schemaTask.ts";
export { task } from "./task.ts";
export type {
  AnyTask,
  BatchByTaskItem,
  BatchHandle,
  BatchItem,
  BatchOptions,
  BatchRunResult,
  CatchErrorParams,
  CatchErrorResult,
  DebounceOptions,
  Duration,
  HookParams,
  IdOf,
  OutputOf,
  PayloadOf,
  RequestOptions,
  RetryOptions,
  RunHandle,
  RunParams,
  RunResult,
  Task,
  TaskOptions,
  TaskResult,
  TaskRetryOptions,
  TaskWait,
  TriggerOptions,
  Unwrappable,
} from "./types.ts";
