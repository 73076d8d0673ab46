/**
 * One attempt's user code, in this order (Trigger.dev's):
 *
 *   load module, meanwhile ask the API for payload and context
 *   parse the payload with the task's schema              an error fails the run for good
 *   middleware around all that follows                    an error of its own fails the attempt
 *     init → onStart (first attempt) → onStartAttempt → run     an error in any of them fails the attempt
 *       returned: output stored → onSuccess → onComplete  errors of the two hooks are logged
 *       failed: catchError decides whether another attempt follows
 *         none follows: onFailure → onComplete            errors of the two hooks are logged
 *     cleanup                                             an error fails an attempt that had not failed
 *     what waitUntil registered                           within a bound
 *
 * Of each kind global hooks run first, then the task's own; catchError the other way round.
 *
 * Stopped (stop.ts) while `run` is at work: onCancel runs beside it when the run was canceled. When `run`
 * then fails there is no result, and the reason of the stop decides how the run ends; of the hooks only
 * cleanup follows. When it returns, its output is stored and reported; onSuccess and onComplete follow only
 * after a shutdown, since a run that was canceled or timed out stays so.
 */

import type { TaskContext } from "@fairlead/protocol/context";
import { maxRequestedAttempts, type ReportedOutput } from "@fairlead/protocol/report";
import type { EngineApi } from "./engineApi.ts";
import type { Environment } from "./environment.ts";
import { Failure, failureOf, inspected, isFinal, outputIn, rateLimitDelay } from "./failure.ts";
import type { Guard } from "./guard.ts";
import type { Definition } from "./host/catalog.ts";
import type { Wait } from "./host/hooks.ts";
import type { Host } from "./host/host.ts";
import { Refused } from "./http.ts";
import { Lifecycle } from "./lifecycle.ts";
import { loadTask } from "./loader.ts";
import { serializeOutput } from "./output.ts";
import { parsed, readPayload } from "./payload.ts";
import { decided, nextDelay } from "./retry.ts";
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
  host: Host;
  api: EngineApi;
  stop: Stop;
  guard: Guard;
  startedAt: string;
  /** Whether a report with this output is small enough for the termination message. */
  fits: (output: ReportedOutput) => boolean;
}

/** What every hook gets. */
interface Params {
  payload: unknown;
  ctx: TaskContext;
  signal: AbortSignal;
  task: string;
  /** What the init hooks returned. */
  init?: object;
}

export async function execute(deps: ExecutionDeps): Promise<Result> {
  const { environment, guard, host, stop } = deps;
  let task: Definition;
  let payload: unknown;
  let ctx: TaskContext;
  try {
    // The answer is on its way while the code loads.
    const pending = handedOver(deps);
    pending.catch(() => {});
    const { taskId } = environment;
    const entry = await entryOf(deps);
    task = await guard.watch(`loading ${entry}`, () => loadTask(entry, taskId, host.catalog));
    const ignored = settingsLine(task, environment);
    if (ignored) warn(ignored);
    const stopped = new Promise<void>((resolve) => stop.onStopped(() => resolve()));
    const given = await Promise.race([pending, stopped]);
    if (!given) return { outcome: "stopped" };
    ({ payload, ctx } = given);
    ctx = host.begin(ctx);
    payload = await guard.watch("the schema", () => parsed(task, payload));
  } catch (error) {
    return { outcome: "failed", failure: failureOf(error, "TASK_LOAD_ERROR") };
  }
  if (stop.requested) return { outcome: "stopped" };
  return new Execution(deps, task, { payload, ctx, signal: stop.signal, task: environment.taskId }).run();
}

/** Path of the task's module; code that is in the bucket is fetched first. */
async function entryOf({ environment: { entry, bundle }, api }: ExecutionDeps): Promise<string> {
  if (!bundle) return entry;
  const { fetchBundle } = await import("./bundle.ts");
  const folder = await fetchBundle(bundle, (parts) => api.bundleUrls(parts));
  // Stacks of bundled code name its sources.
  process.setSourceMapsEnabled(true);
  return process.getBuiltinModule("node:path").join(folder, entry);
}

/** What the API gives this attempt; without it there is nothing to execute. */
async function handedOver({
  environment: { ctx },
  api,
  startedAt,
}: ExecutionDeps): Promise<{ payload: unknown; ctx: TaskContext }> {
  const { payload, run } = await api.start(startedAt).catch((error) => {
    const message = `start: the API did not hand over the attempt: ${(error as Error).message}`;
    // A new attempt may find the API up again; a payload that was edited stays so.
    const isFinal = error instanceof Refused && error.status === 422;
    throw new Failure("PAYLOAD_ERROR", message, { retryable: !isFinal, cause: error });
  });
  return { payload: await readPayload(payload), ctx: { ...ctx, run: { ...ctx.run, ...run } } };
}

class Execution {
  readonly #deps: ExecutionDeps;
  readonly #task: Definition;
  readonly #hooks: Lifecycle;
  #params: Params;
  /** The run ends as Canceled or TimedOut, whatever `run` does. */
  #isDecided = false;
  #cancelHooks: Promise<void> | undefined;

  constructor(deps: ExecutionDeps, task: Definition, params: Params) {
    this.#deps = deps;
    this.#task = task;
    this.#params = params;
    this.#hooks = new Lifecycle(deps.host.hooks, deps.guard, task.id);
    for (const kind of ["Wait", "Resume"] as const)
      deps.host.hooks.onEach(kind, (wait: Wait) => this.#hooks.allLogged(kind, { ...this.#params, wait }));
  }

  async run(): Promise<Result> {
    let result: Result | undefined;
    try {
      await this.#hooks.within(this.#params, async () => {
        result = await this.#withCleanup();
      });
    } catch (error) {
      // What fails all that is at work (an uncaught exception) has failed `run` before.
      if (result && (Failure.is(error) || result.outcome === "stopped")) return result;
      if (this.#deps.stop.requested) return { outcome: "stopped" };
      return { outcome: "failed", failure: failureOf(error, "TASK_MIDDLEWARE_ERROR") };
    }
    if (result) return result;
    const message = "middleware returned without having called next(): the task's code was not run";
    return { outcome: "failed", failure: new Failure("TASK_MIDDLEWARE_ERROR", message) };
  }

  async #withCleanup(): Promise<Result> {
    const { host, guard } = this.#deps;
    let result = await this.#runTask();
    try {
      await this.#hooks.all("Cleanup", this.#params);
    } catch (error) {
      if (result.outcome === "completed") result = { outcome: "failed", failure: failureOf(error) };
      else warn("cleanup failed too:", inspected(failureOf(error).shown));
    }
    if (host.waitUntil.requiresResolving())
      await guard.watch("waitUntil", () => host.waitUntil.blockUntilSettled()).catch(() => {});
    return result;
  }

  async #runTask(): Promise<Result> {
    const { api, fits } = this.#deps;
    let output: unknown;
    try {
      output = await this.#callRun();
    } catch (error) {
      const completed = outputIn(error);
      if (!completed)
        return this.#deps.stop.requested ? this.#stopped(error) : this.#failed(failureOf(error));
      output = completed.output;
    }
    await this.#closeStop();
    let stored: ReportedOutput | undefined;
    try {
      const serialized = await serializeOutput(output);
      if (serialized) stored = await storeOutput(api, serialized, fits);
    } catch (error) {
      return this.#ended(failureOf(error));
    }
    if (!this.#isDecided) {
      await this.#hooks.allLogged("Success", { ...this.#params, output });
      await this.#hooks.allLogged("Complete", { ...this.#params, result: { ok: true, data: output } });
    }
    return { outcome: "completed", output: stored };
  }

  async #callRun(): Promise<unknown> {
    const { environment, guard, stop } = this.#deps;
    const results = await this.#hooks.all("Init", this.#params);
    const objects = results.filter((one) => typeof one === "object" && one !== null && !Array.isArray(one));
    this.#params = { ...this.#params, init: Object.assign({}, ...objects) };
    if (environment.attempt === 1) await this.#hooks.all("Start", this.#params);
    await this.#hooks.all("StartAttempt", this.#params);
    if (stop.requested) throw stop.signal.reason;
    const { payload, ctx, signal, init } = this.#params;
    const runPromise = guard.watch("run", () => this.#task.fns.run(payload, { ctx, signal, init }));
    stop.onStopped((type) => {
      if (type === "canceled")
        this.#cancelHooks = this.#hooks.allLogged("Cancel", { ...this.#params, runPromise });
    });
    return runPromise;
  }

  /** From here on a stop reaches no user code; waits for the onCancel that one has begun. */
  async #closeStop(): Promise<void> {
    const { stop } = this.#deps;
    const type = await stop.type;
    this.#isDecided = type === "canceled" || type === "maxDuration";
    stop.close();
    await this.#cancelHooks;
  }

  async #stopped(error: unknown): Promise<Result> {
    if (error !== this.#params.signal.reason)
      warn("run failed after it was asked to stop:", inspected(failureOf(error).shown));
    await this.#closeStop();
    return { outcome: "stopped" };
  }

  async #failed(failure: Failure): Promise<Result> {
    this.#deps.stop.close();
    return this.#ended(await this.#catchError(failure));
  }

  async #ended(failure: Failure): Promise<Result> {
    if (!this.#isDecided && !isFollowed(this.#deps.environment, failure) && !this.#getsLarger(failure)) {
      const error = failure.shown;
      await this.#hooks.allLogged("Failure", { ...this.#params, error });
      await this.#hooks.allLogged("Complete", { ...this.#params, result: { ok: false, error } });
    }
    return { outcome: "failed", failure };
  }

  /** Out of memory, and the policy has a larger machine for one more attempt. */
  #getsLarger({ code }: Failure): boolean {
    const larger = this.#deps.environment.retry?.outOfMemoryMachine;
    return code === "OUT_OF_MEMORY" && larger !== undefined && larger !== this.#params.ctx.machine?.name;
  }

  async #catchError(failure: Failure): Promise<Failure> {
    const error = failure.shown;
    if (isFinal(error)) return failure;
    const { environment } = this.#deps;
    const failures = failuresOf(environment);
    const { maxAttempts } = this.#params.ctx.run;
    const { outOfMemoryMachine: _, ...retry } = { ...environment.retry, maxAttempts };
    const limited = rateLimitDelay(error);
    const ordinary = nextDelay(retry, failures);
    const delay = ordinary === undefined ? undefined : (limited ?? ordinary);
    const retryAt = delay === undefined ? undefined : new Date(Date.now() + delay);
    try {
      const params = { ...this.#params, error, retry, retryDelayInMs: delay, retryAt };
      const answer = await this.#hooks.firstAnswer("CatchError", params);
      if (answer) return decided(failure, answer, failures, Date.now());
    } catch (caught) {
      warn("catchError failed; what it was called with:", inspected(error));
      return Failure.thrownBy("HANDLE_ERROR_ERROR", failureOf(caught).shown, false);
    }
    return limited === undefined || delay === undefined
      ? failure
      : decided(failure, { retryDelayInMs: delay }, failures, Date.now());
  }
}

type Counted = Pick<Environment, "attempt" | "ctx">;

/** Attempts that count for maxAttempts, this one included. */
const failuresOf = ({ attempt, ctx }: Counted): number => attempt - (ctx.run.infrastructureRetries ?? 0);

/**
 * Whether the controller will start another attempt; the same rule as in operator/src/model/run/settle.ts.
 */
export function isFollowed(environment: Counted, failure: Failure): boolean {
  if (!failure.retryable) return false;
  if (failure.retryDelayMs !== undefined) return environment.attempt < maxRequestedAttempts;
  return failuresOf(environment) < (environment.ctx.run.maxAttempts ?? 1);
}
