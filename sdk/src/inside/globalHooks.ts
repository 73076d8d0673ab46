/**
 * Hooks of all tasks of an image. Called while modules load; a hook with the id of another replaces it. Where
 * nobody runs tasks they do nothing.
 */

import { type HookFunction, type HookKind, type HookSlot, slot } from "../slots.ts";
import type { CatchErrorParams, Decision, HookParams, TaskResult, TaskWait } from "../types.ts";

type Fn<TParams, TResult = void> = (params: HookParams<unknown> & TParams) => TResult | Promise<TResult>;

/** Registers a hook: with an id or without one. */
export interface RegisterHook<TFn> {
  (fn: TFn): void;
  (id: string, fn: TFn): void;
}

function register<TFn extends HookFunction>(kind: HookKind): RegisterHook<TFn> {
  return (idOrFn: string | TFn, fn?: TFn): void => {
    const hook = typeof idOrFn === "string" ? fn : idOrFn;
    if (typeof hook !== "function")
      throw new TypeError(`tasks: a hook must be a function, not ${typeof hook}`);
    const id = typeof idOrFn === "string" ? idOrFn : hook.name || undefined;
    slot<HookSlot>("lifecycle-hooks")?.[`registerGlobal${kind}Hook`]({
      id,
      fn: hook,
    });
  };
}

type Nothing = Record<never, never>;
const onCatchError =
  register<(params: CatchErrorParams<unknown>) => Decision | Promise<Decision>>("CatchError");

export const globalHooks = {
  /** Around every attempt: it has to call `next`. */
  middleware: register<Fn<{ next: () => Promise<void> }>>("Middleware"),
  /** Before `run` in a run's first attempt. */
  onStart: register<Fn<{ init?: unknown }>>("Start"),
  /** Before `run` in every attempt. */
  onStartAttempt: register<Fn<Nothing>>("StartAttempt"),
  onSuccess: register<Fn<{ output: unknown }>>("Success"),
  /** When an attempt failed and no other follows. */
  onFailure: register<Fn<{ error: unknown }>>("Failure"),
  onComplete: register<Fn<{ result: TaskResult<unknown> }>>("Complete"),
  onWait: register<Fn<{ wait: TaskWait }>>("Wait"),
  onResume: register<Fn<{ wait: TaskWait }>>("Resume"),
  onCancel: register<Fn<{ runPromise: Promise<unknown> }>>("Cancel"),
  /** After a failure: decides whether another attempt follows, where the task's own hook did not. */
  catchError: onCatchError,
  /** The same as `catchError`. */
  handleError: onCatchError,
};
