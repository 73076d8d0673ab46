/**
 * What a task is, how it is triggered, and what comes back: the types that the rest of the SDK is written
 * against. Imports nothing of the SDK.
 */
import type { TaskContext } from "@fairlead/protocol/context";
import type { MachineName } from "@fairlead/protocol/machines";

/** Second argument of `run`. */
export interface RunParams {
  /** What is known of the run, its task and its attempt. */
  ctx: TaskContext;
  /**
   * Aborted when the run is stopped; its reason is a `StopReason`. After the grace period the process is
   * killed.
   */
  signal: AbortSignal;
  /** What the `init` hooks returned, in one object. */
  // biome-ignore lint/suspicious/noExplicitAny: as the hooks made it
  init?: any;
}

/** What every hook gets. */
export interface HookParams<TPayload> extends RunParams {
  /** The run's payload. */
  payload: TPayload;
  /** The task's id. */
  task: string;
}

/** How a run ended, for `onComplete`. */
export type TaskResult<TOutput> = { ok: true; data: TOutput } | { ok: false; error: unknown };

/** What a run waits for. */
export type TaskWait =
  | { type: "duration"; date: Date }
  | { type: "token"; token: string }
  | { type: "task"; runId: string }
  | { type: "batch"; batchId: string; runCount: number };

/** When a failed attempt is followed by another: after min(maxTimeoutInMs, minTimeoutInMs · factor^(n−1)). */
export interface RetryOptions {
  /** Attempts in all, the first included. */
  maxAttempts?: number;
  factor?: number;
  minTimeoutInMs?: number;
  maxTimeoutInMs?: number;
  /** Makes each delay up to twice as long. */
  randomize?: boolean;
}

/** The retry settings of a task. */
export interface TaskRetryOptions extends RetryOptions {
  /** After an attempt that was out of memory: one more on this machine. */
  outOfMemory?: { machine: MachineName };
}

/** What `catchError` may decide. Nothing: the retry settings count. */
export interface CatchErrorResult {
  /** No attempt follows. */
  skipRetrying?: boolean;
  /** Another attempt follows at this time. */
  retryAt?: Date;
  /** Another attempt follows after so many milliseconds. */
  retryDelayInMs?: number;
  /** Another attempt follows when this policy says so. */
  retry?: RetryOptions;
  /** Takes the place of the error. */
  error?: unknown;
}

/** What `catchError` gets. */
export interface CatchErrorParams<TPayload> extends HookParams<TPayload> {
  error: unknown;
  /** The retry settings of the run. */
  retry?: RetryOptions;
  /** When they would start the next attempt; undefined when none follows. */
  retryAt?: Date;
  retryDelayInMs?: number;
}

/** What catchError returns. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return decides nothing
export type Decision = CatchErrorResult | undefined | void;

type Hook<TParams> = (params: TParams) => void | Promise<void>;

/** What a task is. */
export interface TaskOptions<TId extends string, TPayload, TOutput> {
  /** Unique among the tasks of an image: letters, digits and `_ . / : -`, at most 128. */
  id: TId;
  /** The work. What it returns, as JSON, is the run's output; what it throws fails the attempt. */
  run: (payload: TPayload, params: RunParams) => TOutput | Promise<TOutput>;
  /** What the task does, for people. */
  description?: string;
  /** Retries, in place of those of the Task resource once it is made of the code. */
  retry?: TaskRetryOptions;
  /** The queue that its runs wait in. */
  queue?: string | { name?: string; concurrencyLimit?: number };
  /** Machine preset, such as `small-2x`. */
  machine?: MachineName | { preset: MachineName };
  /** Seconds that an attempt may execute. */
  maxDuration?: number;
  /** How long a run may wait for its start. */
  ttl?: Duration | number;
  /** Called first in every attempt. The objects that these hooks return are `init` of all other hooks. */
  init?: (params: HookParams<TPayload>) => unknown;
  /** Called before `run` in the run's first attempt; an error fails the attempt. */
  onStart?: Hook<HookParams<TPayload>>;
  /** Called before `run` in every attempt; an error fails the attempt. */
  onStartAttempt?: Hook<HookParams<TPayload>>;
  /** Called after `run` returned and its output is stored; an error is logged. */
  onSuccess?: Hook<HookParams<TPayload> & { output: TOutput }>;
  /** Called when an attempt failed and no other follows; an error is logged. */
  onFailure?: Hook<HookParams<TPayload> & { error: unknown }>;
  /** Called after `onSuccess` or `onFailure`; an error is logged. */
  onComplete?: Hook<HookParams<TPayload> & { result: TaskResult<TOutput> }>;
  /** Called before the run waits for something; an error is logged. */
  onWait?: Hook<HookParams<TPayload> & { wait: TaskWait }>;
  /** Called when what the run waited for has come; an error is logged. */
  onResume?: Hook<HookParams<TPayload> & { wait: TaskWait }>;
  /**
   * Called when the run is canceled while `run` is at work, with the promise that `run` returned; an error is
   * logged.
   */
  onCancel?: Hook<HookParams<TPayload> & { runPromise: Promise<TOutput> }>;
  /** Called when an attempt failed: decides whether another follows. An error fails the run. */
  catchError?: (params: CatchErrorParams<TPayload>) => Decision | Promise<Decision>;
  /** The same as `catchError`. */
  handleError?: (params: CatchErrorParams<TPayload>) => Decision | Promise<Decision>;
  /** Called around all of the above but the payload's reading: it has to call `next`. */
  middleware?: Hook<HookParams<TPayload> & { next: () => Promise<void> }>;
  /** Called last in every attempt, also when it was stopped; an error fails the attempt. */
  cleanup?: Hook<HookParams<TPayload>>;
}

/** How a run ended that another one waited for. */
export type RunResult<TOutput> =
  | { ok: true; id: string; taskIdentifier: string; output: TOutput }
  | { ok: false; id: string; taskIdentifier: string; error: unknown };

/** A promise of it; `unwrap()` is the output, or throws SubtaskUnwrapError. */
export interface Unwrappable<TOutput> extends Promise<RunResult<TOutput>> {
  unwrap(): Promise<TOutput>;
}

/** How the runs of a batch ended, in the order of its items. */
export interface BatchRunResult<TOutput> {
  /** `batch_…`. */
  id: string;
  runs: RunResult<TOutput>[];
}

declare const types: unique symbol;

/** A defined task. */
export interface Task<TId extends string, TPayload, TOutput> {
  /** The task's id. */
  readonly id: TId;
  /** Triggers the task; does not wait for its result. */
  trigger(payload: TPayload, options?: TriggerOptions, requestOptions?: RequestOptions): Promise<RunHandle>;
  /** Triggers the task once for each item; does not wait for the results. */
  batchTrigger(
    items: readonly { payload: TPayload; options?: TriggerOptions }[],
    options?: BatchOptions,
    requestOptions?: RequestOptions,
  ): Promise<BatchHandle>;
  /** From inside a run: triggers the task, and waits until its run has ended. */
  triggerAndWait(
    payload: TPayload,
    options?: TriggerOptions,
    requestOptions?: RequestOptions,
  ): Unwrappable<TOutput>;
  /** The same for each item; results are in their order. */
  batchTriggerAndWait(
    items: readonly { payload: TPayload; options?: TriggerOptions }[],
    options?: BatchOptions,
    requestOptions?: RequestOptions,
  ): Promise<BatchRunResult<TOutput>>;
  /** Carries the types of payload and output for the compiler; has no value. */
  readonly [types]?: { payload: TPayload; output: TOutput };
}

// biome-ignore lint/suspicious/noExplicitAny: any task will do
export type AnyTask = Task<string, any, any>;
/** A task of which nothing is known. */
export type UnknownTask = Task<string, unknown, unknown>;
/** Type of a task's payload. */
// biome-ignore lint/suspicious/noExplicitAny: any output will do
export type PayloadOf<T extends AnyTask> = T extends Task<string, infer P, any> ? P : never;
/** Type of a task's output. */
// biome-ignore lint/suspicious/noExplicitAny: any payload will do
export type OutputOf<T extends AnyTask> = T extends Task<string, any, infer O> ? O : never;
/** A task's id. */
export type IdOf<T extends AnyTask> = T["id"];

/** A duration: `10s`, `1h30m`, `2d`. */
export type Duration = string;

/** How a run is to be made. */
export interface TriggerOptions {
  /** The run starts no earlier: a duration from now, or a date. */
  delay?: Duration | Date;
  /**
   * How long the run may wait for its start, as a duration or in seconds; 0: for ever. A date is not allowed.
   */
  ttl?: Duration | number;
  /**
   * Makes the task run once for this key: some text, its parts, or what idempotencyKeys.create made of them.
   */
  idempotencyKey?: string | string[];
  /** How long the key counts. Default 30 days. */
  idempotencyKeyTTL?: Duration;
  /** The queue that the run waits in, by name; with a limit it is made on demand. */
  queue?: string | { name: string; concurrencyLimit?: number };
  /** Gives each of its values a copy of the queue, with the queue's limit. */
  concurrencyKey?: string;
  /** Attempts in all; wins over the task's own. */
  maxAttempts?: number;
  /** Up to 10, of 128 characters each. */
  tags?: string | string[];
  /** Any JSON object that travels with the run, up to 256 KB. */
  metadata?: Record<string, unknown>;
  /** Seconds that an attempt may execute, 5 at the least. */
  maxDuration?: number;
  /** Seconds by which the run jumps ahead in its queue. */
  priority?: number;
  /** Machine preset, such as `small-2x`. */
  machine?: MachineName;
  /** The task's version to run. */
  version?: string;
  /** Makes one run of many triggers; not in a batch. */
  debounce?: DebounceOptions;
}

/** How triggers become one run. */
export interface DebounceOptions {
  /** A task's triggers with this key only move the start, while the run of the first one is delayed. */
  key: string;
  /** How long after the last trigger the run starts; a second at least. A date is not allowed. */
  delay: Duration;
  /** Whose payload and options count: the first trigger's (`leading`, the default) or the last one's. */
  mode?: "leading" | "trailing";
  /** How long after the first trigger the run starts at the latest; longer than `delay`. */
  maxDelay?: Duration;
}

/** Options of a batch as a whole. */
export interface BatchOptions {
  /** Makes the batch once for this key: some text, or what idempotencyKeys.create made of it. */
  idempotencyKey?: string;
  /** How many runs of it may be unfinished at once; never raises a queue's limit. */
  maxConcurrency?: number;
}

/** One item of `batch.trigger`. */
export interface BatchItem<T extends AnyTask = AnyTask> {
  id: IdOf<T>;
  payload: PayloadOf<T>;
  options?: TriggerOptions;
}

/** One item of `batch.triggerByTask`. */
export interface BatchByTaskItem<T extends AnyTask = AnyTask> {
  task: T;
  payload: PayloadOf<T>;
  options?: TriggerOptions;
}

/** What any call may be given. */
export interface RequestOptions {
  /** Ends the call, its waiting between tries included. */
  signal?: AbortSignal;
  /** Tries in all. Default 5. */
  maxAttempts?: number;
}

/** A run that was triggered. */
export interface RunHandle {
  /** `run_…`. */
  id: string;
  /** It was there already, under the idempotency key. */
  isCached: boolean;
  /** Lets a browser read this run. */
  publicAccessToken?: string;
}

/** A batch that was triggered. */
export interface BatchHandle {
  batchId: string;
  runCount: number;
  isCached: boolean;
  publicAccessToken?: string;
}
