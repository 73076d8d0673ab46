/**
 * The tasks that the loaded modules defined, by id. The runner looks up the run's task here.
 *
 * A property of globalThis under a registered symbol: a bundle may contain the SDK several times, and the
 * runner has its own copy of this file; all of them must see the same tasks.
 */
import type { TaskOptions } from "./types.ts";

/** A task whatever its types. */
// biome-ignore lint/suspicious/noExplicitAny: payload and output are both produced and consumed by user code
export type AnyTaskOptions = TaskOptions<string, any, any>;

const key = Symbol.for("fairlead.dev/tasks");
const shared = globalThis as { [key]?: Map<string, AnyTaskOptions> };

export function registeredTasks(): Map<string, AnyTaskOptions> {
  shared[key] ??= new Map();
  return shared[key];
}
