/**
 * Calls a task's hooks: global ones first, then the task's own. In `all` the first error ends it and is
 * thrown; in `allLogged` each error is logged, changes nothing, and the next hook follows.
 */
import type { HookKind } from "@fairlead/sdk/slots";
import { failureOf, inspected } from "./failure.ts";
import type { Guard } from "./guard.ts";
import type { Hooks } from "./host/hooks.ts";
import { warn } from "./stdio.ts";

/** As a user writes them. */
const names: Record<HookKind, string> = {
  Init: "init",
  Start: "onStart",
  StartAttempt: "onStartAttempt",
  Success: "onSuccess",
  Failure: "onFailure",
  Complete: "onComplete",
  Wait: "onWait",
  Resume: "onResume",
  CatchError: "catchError",
  Middleware: "middleware",
  Cleanup: "cleanup",
  Cancel: "onCancel",
};

export class Lifecycle {
  readonly #hooks: Hooks;
  readonly #guard: Guard;
  readonly #taskId: string;

  constructor(hooks: Hooks, guard: Guard, taskId: string) {
    this.#hooks = hooks;
    this.#guard = guard;
    this.#taskId = taskId;
  }

  /** What the hooks returned, in their order. */
  async all(kind: HookKind, params: object): Promise<unknown[]> {
    const results: unknown[] = [];
    for (const { fn } of this.#hooks.of(kind, this.#taskId))
      results.push(await this.#guard.watch(names[kind], () => fn(params)));
    return results;
  }

  async allLogged(kind: HookKind, params: object): Promise<void> {
    for (const { fn } of this.#hooks.of(kind, this.#taskId)) {
      try {
        await this.#guard.watch(names[kind], () => fn(params));
      } catch (error) {
        warn(`${names[kind]} failed, which does not change the run:`, inspected(failureOf(error).shown));
      }
    }
  }

  /** The task's own is asked first, then the global ones; the first that returns something decides. */
  async firstAnswer(kind: HookKind, params: object): Promise<unknown> {
    const own = this.#hooks.ownOf(kind, this.#taskId);
    const globals = this.#hooks.of(kind, this.#taskId).filter(({ fn }) => fn !== own);
    for (const fn of [...(own ? [own] : []), ...globals.map((hook) => hook.fn)]) {
      const answer = await this.#guard.watch(names[kind], () => fn(params));
      if (answer) return answer;
    }
    return undefined;
  }

  /**
   * Runs `work` within all middleware. It runs once, however often `next` is called, and never fails.
   * Rejects with what middleware threw, after `work` has ended; returns whether it was begun.
   */
  async within(params: object, work: () => Promise<void>): Promise<boolean> {
    const middleware = this.#hooks.of("Middleware", this.#taskId);
    let begun: Promise<void> | undefined;
    const innermost = (): Promise<void> => {
      begun ??= work();
      return begun;
    };
    if (middleware.length === 0) {
      await innermost();
      return true;
    }
    const chain = middleware.reduceRight<() => Promise<void>>(
      (next, { fn }) =>
        async () =>
          void (await fn({ ...params, next })),
      innermost,
    );
    try {
      await this.#guard.watch(names.Middleware, chain);
    } finally {
      await begun;
    }
    return begun !== undefined;
  }
}
