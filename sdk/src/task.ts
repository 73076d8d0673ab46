/**
 * `task()`: defines code that a run executes. Importing a module with tasks runs nothing, it only registers them.
 * Order of the hooks, and what their errors do, are Trigger.dev's; runtime-image/src/execution.ts calls them.
 */

import type { TaskContext } from "@fairlead/protocol/context";
import { isId } from "@fairlead/protocol/ids";
import type { RequestOptions } from "./client/request.ts";
import type { BatchHandle, BatchOptions, RunHandle } from "./client/trigger.ts";
import type { TriggerOptions } from "./client/triggerOptions.ts";
import { registeredTasks } from "./registry.ts";

/** Second argument of `run`. */
export interface RunParams {
  /** What is known of the run, its task and its attempt. */
  ctx: TaskContext;
  /** Aborted when the run is stopped; its reason is a `StopReason`. After the grace period the process is killed. */
  signal: AbortSignal;
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

type Hook<TParams> = (params: TParams) => void | Promise<void>;

/** What a task is. */
export interface TaskOptions<TId extends string, TPayload, TOutput> {
  /** Unique among the tasks of an image: letters, digits and `_ . / : -`, at most 128. */
  id: TId;
  /** The work. What it returns, as JSON, is the run's output; what it throws fails the attempt. */
  run: (payload: TPayload, params: RunParams) => TOutput | Promise<TOutput>;
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
  /** Called when the run is canceled while `run` is at work, with the promise that `run` returned; an error is logged. */
  onCancel?: Hook<HookParams<TPayload> & { runPromise: Promise<TOutput> }>;
  /** Called last in every attempt, also when it was stopped; an error fails the attempt. */
  cleanup?: Hook<HookParams<TPayload>>;
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

/** Evaluated by the first trigger: a task that triggers nothing does not wait for it. */
const client = async () => (await import("./client/trigger.ts")).tasks;

/**
 * Defines a task.
 *
 * @example
 * export const hello = task({
 *   id: "hello-world",
 *   run: async (payload: { name: string }) => ({ greeting: `Hello, ${payload.name}!` }),
 * });
 */
export function task<TId extends string, TPayload = void, TOutput = unknown>(
  options: TaskOptions<TId, TPayload, TOutput>,
): Task<TId, TPayload, TOutput> {
  const { id, run } = options;
  if (typeof id !== "string" || !isId(id)) {
    throw new TypeError(
      `task({ id: ${JSON.stringify(id)} }): an id has 1 to 128 letters, digits and _ . / : - (the first a letter or a digit, the last one also _)`,
    );
  }
  if (typeof run !== "function") {
    throw new TypeError(`task({ id: "${id}" }): run must be a function, it is ${typeof run}`);
  }
  const registered = registeredTasks();
  if (registered.has(id)) {
    throw new Error(`task({ id: "${id}" }): another task has this id already; every id must be unique`);
  }
  registered.set(id, options);
  return {
    id,
    trigger: async (payload, triggerOptions, requestOptions) =>
      (await client()).trigger(id, payload, triggerOptions, requestOptions),
    batchTrigger: async (items, batchOptions, requestOptions) =>
      (await client()).batchTrigger(id, items, batchOptions, requestOptions),
  };
}
