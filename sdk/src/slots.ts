/**
 * The places where an SDK and the process that runs a task meet: properties of one global object, under names
 * that Trigger.dev's SDK has since its version 4. Whoever runs tasks fills them before it imports any; an SDK
 * registers tasks, queues and hooks in them, and asks them for what only the host knows. So tasks of both
 * SDKs, of several copies of one, and of libraries with either are known to the same host.
 *
 * Where nobody runs tasks (a backend that triggers them) the slots are empty, and registering does nothing.
 */

export const slotsKey: unique symbol = Symbol.for("dev.trigger.ts.api");

/** Kinds of hooks. Each has a global list, and one hook a task. */
export const hookKinds = [
  "Init",
  "Start",
  "StartAttempt",
  "Success",
  "Failure",
  "Complete",
  "Wait",
  "Resume",
  "CatchError",
  "Middleware",
  "Cleanup",
  "Cancel",
] as const;
export type HookKind = (typeof hookKinds)[number];

// biome-ignore lint/suspicious/noExplicitAny: the parameters of a hook depend on its kind and its task
export type HookFunction = (params: any) => any;

export interface RegisteredHook {
  /** Tells global hooks apart; another one with the same id replaces it. */
  id?: string;
  fn: HookFunction;
}

/** The slot "lifecycle-hooks", as far as it registers. */
export type HookSlot = Record<`registerTask${HookKind}Hook`, (taskId: string, hook: RegisteredHook) => void> &
  Record<`registerGlobal${HookKind}Hook`, (hook: RegisteredHook) => void>;

/** What a task is, as an SDK registers it. Settings are as their user wrote them. */
export interface TaskMetadata {
  id: string;
  description?: string;
  queue?: { name?: string; concurrencyLimit?: number };
  retry?: object;
  machine?: unknown;
  maxDuration?: number;
  ttl?: string | number;
  triggerSource?: string;
  schedule?: { cron: string; timezone?: string; environments?: string[] };
  /** JSON Schema of the payload. */
  payloadSchema?: unknown;
  /** Schema of the payload, of some library. */
  schema?: unknown;
  fns: {
    // biome-ignore lint/suspicious/noExplicitAny: what a task takes and gives is its own matter
    run: (payload: any, params: any) => unknown;
    /** Checks and converts the payload; throws when it is not valid. */
    parsePayload?: (payload: unknown) => unknown;
  };
}

export interface QueueMetadata {
  name: string;
  concurrencyLimit?: number;
}

/** The slot "resource-catalog", as far as an SDK registers in it. */
export interface CatalogSlot {
  registerTaskMetadata(task: TaskMetadata): void;
  updateTaskMetadata(id: string, changes: Partial<TaskMetadata>): void;
  registerQueueMetadata(queue: QueueMetadata): void;
}

/** The slot of this name; undefined where nobody runs tasks. */
export const slot = <T>(name: string): T | undefined =>
  (globalThis as { [slotsKey]?: Record<string, unknown> })[slotsKey]?.[name] as T | undefined;
