/**
 * `task()`: defines code that a run executes. Importing a module with tasks runs nothing, it only registers
 * them. Order of the hooks, and what their errors do, are Trigger.dev's; runtime-image/src/execution.ts calls
 * them.
 */

import { idRule, isId } from "@fairlead/protocol/ids";
import { anything, type Check, checkOptions, shown } from "./checks.ts";
import { InvalidOptionError } from "./errors.ts";
import { registeredTasks } from "./registry.ts";
import type { Task, TaskOptions } from "./types.ts";

const hook: Check = (value) =>
  typeof value === "function" ? undefined : `${shown(value)} is given; it must be a function`;

/**
 * In Trigger.dev options of `task()`, here fields of the Task resource: they count before any code is loaded.
 * The runner says so in the log of a run whose task has them.
 */
const fieldsOfTask = {
  retry: anything,
  queue: anything,
  machine: anything,
  maxDuration: anything,
  ttl: anything,
};

const table = {
  id: anything,
  run: anything,
  onStart: hook,
  onStartAttempt: hook,
  onSuccess: hook,
  onFailure: hook,
  onComplete: hook,
  onCancel: hook,
  cleanup: hook,
  ...fieldsOfTask,
} satisfies Record<keyof TaskOptions<string, unknown, unknown>, Check>;

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
  checkOptions(options ?? null, table);
  const { id, run } = options;
  if (typeof id !== "string" || !isId(id)) {
    throw new InvalidOptionError("id", `${JSON.stringify(id)} is not a task's id; it must have ${idRule}`);
  }
  if (typeof run !== "function") {
    throw new InvalidOptionError("run", `is of type ${typeof run} in task "${id}"; it must be a function`);
  }
  const registered = registeredTasks();
  if (registered.has(id)) {
    throw new InvalidOptionError("id", `"${id}" is the id of another task already; each needs its own`);
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
