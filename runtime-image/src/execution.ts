/**
 * One attempt's user code, in this order (Trigger.dev's):
 *
 *   load module, read payload
 *   onStart (first attempt) → onStartAttempt → run        an error in any of them fails the attempt
 *     returned: output stored → onSuccess → onComplete    errors of the two hooks are logged
 *     failed, no other attempt follows: onFailure → onComplete    the same
 *   cleanup                                               an error fails an attempt that had not failed
 *
 * Stopped (stop.ts) while `run` is at work: onCancel runs beside it when the run was canceled. When `run`
 * then fails there is no result, and the reason of the stop decides how the run ends; of the hooks only
 * cleanup follows. When it returns, its output is stored and reported; onSuccess and onComplete follow only
 * after a shutdown, since a run that was canceled or timed out stays so.
 */

import type { TaskContext } from "@fairlead/protocol/context";
import type { ReportedOutput } from "@fairlead/protocol/report";
import type { HookParams } from "@fairlead/sdk";
import type { EngineApi } from "./engineApi.ts";
import type { Environment } from "./environment.ts";
import { Failure, failureOf, inspected } from "./failure.ts";
import type { Guard } from "./guard.ts";
import { loadTask } from "./loader.ts";
import { serializeOutput } from "./output.ts";
import { readPayload } from "./payload.ts";
import { settingsLine } from "./settings.ts";
import { warn } from "./stdio.ts";
import type { Stop } from "./stop.ts";
import { storeOutput } from "./upload.ts";

export type Result =
  | { outcome: "completed"; output?: ReportedOutput }
  | { outcome: "failed"; failure: Failure }
  /** It was asked to stop and did: there is no result. */
  | { outcome: "stopped" };

interface ExecutionDeps {
  environment: Environment;
  api: EngineApi;
  stop: Stop;
  guard: Guard;
  /** User code has begun. */
  onBegin: () => void;
  /** Whether a report with this output is small enough for the termination message. */
  fits: (output: ReportedOutput) => boolean;
}

type AnyTask = Awaited<ReturnType<typeof loadTask>>;
type AnyParams = HookParams<unknown>;

export async function execute(deps: ExecutionDeps): Promise<Result> {
  const { environment, guard, stop } = deps;
  let task: AnyTask;
  let payload: unknown;
  let ctx: TaskContext;
  try {
    // A payload behind a URL is on its way while the code loads.
    const pending = Promise.all([readPayload(environment), readContext(deps)]);
    pending.catch(() => {});
    const { entry, taskId } = environment;
    task = await guard.watch(`loading ${entry}`, () => loadTask(entry, taskId));
    const ignored = settingsLine(task, environment.ctx);
    if (ignored) warn(ignored);
    [payload, ctx] = await pending;
  } catch (error) {
    return { outcome: "failed", failure: failureOf(error, "TASK_LOAD_ERROR") };
  }
  if (stop.requested) return { outcome: "stopped" };
  const params: AnyParams = { payload, ctx, signal: stop.signal, task: environment.taskId };
  const result = await runTask(deps, task, params);
  try {
    if (task.cleanup) await guard.watch("cleanup", () => task.cleanup?.(params));
  } catch (error) {
    if (result.outcome === "completed") return { outcome: "failed", failure: failureOf(error) };
    warn("cleanup failed too:", inspected(failureOf(error).shown));
  }
  return result;
}

/** The context with the run's metadata. A new attempt may find the API up again. */
async function readContext({ environment, api }: ExecutionDeps): Promise<TaskContext> {
  const { ctx, hasLargeMetadata } = environment;
  if (!hasLargeMetadata) return ctx;
  try {
    return { ...ctx, run: { ...ctx.run, metadata: await api.metadata() } };
  } catch (error) {
    const message = `metadata: cannot be read from the API: ${(error as Error).message}`;
    throw new Failure("PAYLOAD_ERROR", message, { retryable: true, cause: error });
  }
}

async function runTask(deps: ExecutionDeps, task: AnyTask, params: AnyParams): Promise<Result> {
  const { environment, api, stop, guard } = deps;
  const { ctx, signal, payload } = params;
  let cancelHook: Promise<void> | undefined;
  let output: unknown;
  /** The run ends as Canceled or TimedOut, whatever `run` does. */
  let decided = false;
  try {
    setImmediate(deps.onBegin);
    if (task.onStart && environment.attempt === 1) await guard.watch("onStart", () => task.onStart?.(params));
    if (task.onStartAttempt) await guard.watch("onStartAttempt", () => task.onStartAttempt?.(params));
    if (stop.requested) throw signal.reason;
    const runPromise = guard.watch("run", () => task.run(payload, { ctx, signal }));
    stop.onStopped((type) => {
      if (type !== "canceled" || !task.onCancel) return;
      cancelHook = loggedHook(guard, "onCancel", () => task.onCancel?.({ ...params, runPromise }));
    });
    output = await runPromise;
  } catch (error) {
    return stop.requested ? stopped(error) : failed(failureOf(error));
  }
  await closeStop();
  let stored: ReportedOutput | undefined;
  try {
    const serialized = await serializeOutput(output);
    if (serialized) stored = await storeOutput(api, serialized, deps.fits);
  } catch (error) {
    return failed(failureOf(error));
  }
  if (!decided) {
    await loggedHook(guard, "onSuccess", task.onSuccess && (() => task.onSuccess?.({ ...params, output })));
    await onComplete({ ok: true, data: output });
  }
  return { outcome: "completed", output: stored };

  /** From here on a stop reaches no user code; waits for the onCancel that one has begun. */
  async function closeStop(): Promise<void> {
    const type = await stop.type;
    decided = type === "canceled" || type === "maxDuration";
    stop.close();
    await cancelHook;
  }

  async function stopped(error: unknown): Promise<Result> {
    if (error !== signal.reason)
      warn("run failed after it was asked to stop:", inspected(failureOf(error).shown));
    await closeStop();
    return { outcome: "stopped" };
  }

  async function failed(failure: Failure): Promise<Result> {
    stop.close();
    if (!decided && !isFollowed(environment, failure)) {
      const error = failure.shown;
      await loggedHook(guard, "onFailure", task.onFailure && (() => task.onFailure?.({ ...params, error })));
      await onComplete({ ok: false, error });
    }
    return { outcome: "failed", failure };
  }

  async function onComplete(
    result: Parameters<NonNullable<AnyTask["onComplete"]>>[0]["result"],
  ): Promise<void> {
    await loggedHook(
      guard,
      "onComplete",
      task.onComplete && (() => task.onComplete?.({ ...params, result })),
    );
  }
}

/**
 * Whether the controller will start another attempt; the same rule as in operator/src/model/run/settle.ts.
 */
export function isFollowed(environment: Pick<Environment, "attempt" | "ctx">, failure: Failure): boolean {
  const { maxAttempts = 1, infrastructureRetries = 0 } = environment.ctx.run;
  return failure.retryable && environment.attempt - infrastructureRetries < maxAttempts;
}

async function loggedHook(guard: Guard, name: string, hook?: () => void | Promise<void>): Promise<void> {
  if (!hook) return;
  try {
    await guard.watch(name, hook);
  } catch (error) {
    warn(`${name} failed, which does not change the run:`, inspected(failureOf(error).shown));
  }
}
