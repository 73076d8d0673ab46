/**
 * `task()`: defines code that a run executes. Importing a module with tasks runs nothing, it only registers
 * them with the process that runs tasks, when there is one (slots.ts). Order of the hooks, and what their
 * errors do, are Trigger.dev's; runtime-image/src/execution.ts calls them.
 */

import { idRule, isId } from "@fairlead/protocol/ids";
import { anything, type Check, checkOptions, shown, text } from "./checks.ts";
import { InvalidOptionError } from "./errors.ts";
import { runPromise } from "./inside/runPromise.ts";
import {
  type CatalogSlot,
  type HookFunction,
  type HookKind,
  type HookSlot,
  slot,
  type TaskMetadata,
} from "./slots.ts";
import type { AnyTask, Task, TaskOptions } from "./types.ts";

const hook: Check = (value) =>
  typeof value === "function" ? undefined : `${shown(value)} is given; it must be a function`;

/** The kind of each option that is a hook. `handleError` is version 3's name of catchError. */
const hooks = {
  init: "Init",
  onStart: "Start",
  onStartAttempt: "StartAttempt",
  onSuccess: "Success",
  onFailure: "Failure",
  onComplete: "Complete",
  onWait: "Wait",
  onResume: "Resume",
  onCancel: "Cancel",
  catchError: "CatchError",
  handleError: "CatchError",
  middleware: "Middleware",
  cleanup: "Cleanup",
} satisfies Record<string, HookKind>;
type HookName = keyof typeof hooks;
const hookNames = Object.keys(hooks) as HookName[];

const hookTable = Object.fromEntries(hookNames.map((name) => [name, hook])) as Record<HookName, Check>;

/** Read by `runner --index`; the Task resource that is made of them is what counts for a run. */
const settings = {
  description: text,
  retry: anything,
  queue: anything,
  machine: anything,
  maxDuration: anything,
  ttl: anything,
};

const table = {
  id: anything,
  run: anything,
  ...hookTable,
  ...settings,
} satisfies Record<keyof TaskOptions<string, unknown, unknown>, Check>;

/** Evaluated by the first trigger: a task that triggers nothing does not wait for it. */
const client = async () => (await import("./client/trigger.ts")).tasks;

/** What other kinds of tasks add. */
interface Extra {
  schema?: unknown;
  parsePayload?: (payload: unknown) => unknown;
  payloadSchema?: unknown;
  triggerSource?: string;
  schedule?: TaskMetadata["schedule"];
}

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
  return defineTask<TId, TPayload, TPayload, TOutput>(options, {});
}

export function defineTask<TId extends string, TPayload, TIn, TOutput>(
  options: TaskOptions<TId, TPayload, TOutput>,
  extra: Extra,
): Task<TId, TIn, TOutput> {
  checkOptions(options ?? null, table);
  const { id, run } = options;
  if (typeof id !== "string" || !isId(id)) {
    throw new InvalidOptionError("id", `${JSON.stringify(id)} is not a task's id; it must have ${idRule}`);
  }
  if (typeof run !== "function") {
    throw new InvalidOptionError("run", `is of type ${typeof run} in task "${id}"; it must be a function`);
  }
  register(options, extra);
  const parse = async (payload: TIn): Promise<TIn> =>
    extra.parsePayload ? ((await extra.parsePayload(payload)) as TIn) : payload;
  return {
    id,
    trigger: async (payload, triggerOptions, requestOptions) =>
      (await client()).trigger(id, await parse(payload), triggerOptions, requestOptions),
    batchTrigger: async (items, batchOptions, requestOptions) => {
      const parsed = extra.parsePayload
        ? await Promise.all(items.map(async (item) => ({ ...item, payload: await parse(item.payload) })))
        : items;
      return (await client()).batchTrigger(id, parsed, batchOptions, requestOptions);
    },
    triggerAndWait: (payload, triggerOptions, requestOptions) =>
      runPromise(async () => {
        const parsed = await parse(payload);
        return (await client()).triggerAndWait<AnyTask>(id, parsed, triggerOptions, requestOptions);
      }),
    batchTriggerAndWait: async (items, batchOptions, requestOptions) => {
      const parsed = await Promise.all(
        items.map(async (item) => ({ ...item, payload: await parse(item.payload) })),
      );
      const tasks = await client();
      return tasks.batchTriggerAndWait<AnyTask>(id, parsed, batchOptions, requestOptions);
    },
  };
}

function register<TPayload, TOutput>(
  options: TaskOptions<string, TPayload, TOutput>,
  { parsePayload, ...extra }: Extra,
): void {
  const lifecycle = slot<HookSlot>("lifecycle-hooks");
  for (const name of hookNames) {
    const fn = options[name] as HookFunction | undefined;
    if (fn) lifecycle?.[`registerTask${hooks[name]}Hook`](options.id, { fn });
  }
  const { id, description, retry, queue, machine, maxDuration, ttl, run } = options;
  const named = typeof queue === "string" ? { name: queue } : queue;
  const catalog = slot<CatalogSlot>("resource-catalog");
  catalog?.registerTaskMetadata({
    ...{ id, description, queue: named, retry, maxDuration, ttl, ...extra },
    machine: typeof machine === "string" ? { preset: machine } : machine,
    fns: parsePayload ? { run, parsePayload } : { run },
  });
  if (typeof queue === "object" && queue.name !== undefined)
    catalog?.registerQueueMetadata({ name: queue.name, concurrencyLimit: queue.concurrencyLimit });
}
