/** Triggering tasks: one run, or up to 1,000 as a batch. */
import { idRule, isId } from "@fairlead/protocol/ids";
import { maxBatchItems, maxPayloadBytes } from "@fairlead/protocol/limits";
import type { BatchStatus } from "@fairlead/protocol/status";
import { anything, checkOptions, shown, wholeNumber } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import { batchResult, hostFor, runResult } from "../inside/andWait.ts";
import { currentContext } from "../inside/context.ts";
import { globalHooks } from "../inside/globalHooks.ts";
import { runPromise } from "../inside/runPromise.ts";
import type {
  AnyTask,
  BatchByTaskItem,
  BatchHandle,
  BatchItem,
  BatchOptions,
  BatchRunResult,
  IdOf,
  OutputOf,
  PayloadOf,
  RequestOptions,
  RunHandle,
  TriggerOptions,
  Unwrappable,
} from "../types.ts";
import { hashOf, type WireKey, wireKey } from "./idempotencyKeys.ts";
import { packetOf } from "./packet.ts";
import { type Answer, request, segment } from "./request.ts";
import { type Run, runs } from "./runs.ts";
import { wireOptions } from "./triggerOptions.ts";

/** A batch as it is now. */
export interface Batch {
  id: string;
  status: BatchStatus;
  runCount: number;
  /** Ids of its runs, in the order of its items. */
  runs: string[];
}

/** How often all items are sent before giving up. */
const streamAttempts = 5;

export const tasks = {
  ...globalHooks,

  /**
   * Triggers a task by its id. Give the task's type for full type checking: `tasks.trigger<typeof hello>(…)`.
   */
  async trigger<T extends AnyTask>(
    id: IdOf<T>,
    payload: PayloadOf<T>,
    options: TriggerOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<RunHandle> {
    return triggerRun(id, payload, options, requestOptions);
  },

  /** From inside a run: triggers a task, and waits until its run has ended. */
  triggerAndWait<T extends AnyTask>(
    id: IdOf<T>,
    payload: PayloadOf<T>,
    options: TriggerOptions = {},
    requestOptions: RequestOptions = {},
  ): Unwrappable<OutputOf<T>> {
    return runPromise(async () => {
      hostFor("triggerAndWait");
      const run = await triggerRun(id, payload, options, requestOptions, waits);
      return runResult<OutputOf<T>>(run.id, id);
    });
  },

  /** The same for each item; results are in their order. */
  async batchTriggerAndWait<T extends AnyTask>(
    id: IdOf<T>,
    items: readonly { payload: PayloadOf<T>; options?: TriggerOptions }[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchRunResult<OutputOf<T>>> {
    if (Array.isArray(items) && items.length > 0) checkItems(items);
    return batch.triggerAndWait<T>(
      items.map((item) => ({ id, ...item })),
      options,
      requestOptions,
    );
  },

  /** Triggers a task once for each item. */
  async batchTrigger<T extends AnyTask>(
    id: IdOf<T>,
    items: readonly { payload: PayloadOf<T>; options?: TriggerOptions }[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchHandle> {
    checkItems(items);
    const all = items.map((item) => ({ id, ...item }));
    return batch.trigger<T>(all, options, requestOptions);
  },

  /** Triggers a task and polls until its run has ended, however long that takes. */
  async triggerAndPoll<T extends AnyTask>(
    id: IdOf<T>,
    payload: PayloadOf<T>,
    options: TriggerOptions & { pollIntervalMs?: number } = {},
    requestOptions: RequestOptions = {},
  ): Promise<Run<PayloadOf<T>, OutputOf<T>>> {
    const { pollIntervalMs, ...trigger } = options;
    const handle = await tasks.trigger<T>(id, payload, trigger, requestOptions);
    return runs.poll<T>(handle.id, { ...requestOptions, pollIntervalMs });
  },
};

export const batch = {
  /** Triggers different tasks as one batch. */
  async trigger<T extends AnyTask = AnyTask>(
    items: readonly BatchItem<T>[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchHandle> {
    return triggerBatch(items, options, requestOptions);
  },

  /** From inside a run: the same, and waits until all of its runs have ended. None: at once. */
  async triggerAndWait<T extends AnyTask = AnyTask>(
    items: readonly BatchItem<T>[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchRunResult<OutputOf<T>>> {
    hostFor("batch.triggerAndWait");
    if (Array.isArray(items) && items.length === 0) return { id: "", runs: [] };
    const { batchId, runCount } = await triggerBatch(items, options, requestOptions, waits);
    const ids = items.map(({ id }) => id);
    return batchResult<OutputOf<T>>(batchId, runCount, ids);
  },

  /** Triggers different tasks as one batch, by the tasks themselves. */
  triggerByTask: async (
    items: readonly BatchByTaskItem[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchHandle> => batch.trigger(items.map(byId), options, requestOptions),

  /** The same, and waits until all of its runs have ended. */
  triggerByTaskAndWait: async <T extends AnyTask = AnyTask>(
    items: readonly BatchByTaskItem<T>[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchRunResult<OutputOf<T>>> =>
    batch.triggerAndWait<T>(items.map(byId), options, requestOptions),

  /** The batch as it is now. */
  async retrieve(id: string, options: RequestOptions = {}): Promise<Batch> {
    return (await request<Batch>({ ...options, method: "GET", path: `/api/v2/batches/${segment(id)}` })).body;
  },
};

const byId = <T extends AnyTask>({ task, payload, options }: BatchByTaskItem<T>): BatchItem<T> => ({
  id: task.id as IdOf<T>,
  payload,
  options,
});

/** The parent waits for what is made. */
const waits = { resumeParentOnCompletion: true } as const;

async function triggerRun(
  id: string,
  payload: unknown,
  options: TriggerOptions,
  requestOptions: RequestOptions,
  waiting: Partial<typeof waits> = {},
): Promise<RunHandle> {
  checkTaskId(id);
  const wire = await wireOptions(options);
  const { payload: data, payloadType } = await packetOf(payload, requestOptions);
  const answer = await request<RunHandle>({
    ...requestOptions,
    method: "POST",
    path: `/api/v1/tasks/${segment(id)}/trigger`,
    body: { payload: data, options: { ...wire, ...parent(), ...waiting, payloadType } },
  });
  const { id: runId, isCached = false } = answer.body;
  return { id: runId, isCached, publicAccessToken: tokenOf(answer) };
}

async function triggerBatch(
  items: readonly BatchItem[],
  { idempotencyKey, maxConcurrency, ...rest }: BatchOptions,
  requestOptions: RequestOptions,
  waiting: Partial<typeof waits> = {},
): Promise<BatchHandle> {
  checkItems(items);
  checkOptions({ maxConcurrency, ...rest }, { maxConcurrency: wholeNumber(1), idempotencyKey: anything });
  const batchKey = idempotencyKey === undefined ? undefined : await wireKey(idempotencyKey);
  const lines: string[] = [];
  let bytes = 0;
  for (const [index, item] of items.entries()) {
    const line = await itemLine(index, item, batchKey, requestOptions).catch((error: unknown) => {
      throw error instanceof InvalidOptionError ? ofItem(index, error) : error;
    });
    bytes += Buffer.byteLength(line);
    lines.push(line);
  }
  if (bytes > maxPayloadBytes * 1.5) {
    const problem = `${bytes} bytes; all payloads of a batch may have ${maxPayloadBytes} (10 MB): make several batches`;
    throw new InvalidOptionError("items", problem);
  }
  const body = { runCount: items.length, ...batchKey, maxConcurrency, ...parent(), ...waiting };
  const created = await request<{ id: string; isCached: boolean }>({
    ...requestOptions,
    method: "POST",
    path: "/api/v3/batches",
    body,
  });
  const { id, isCached } = created.body;
  if (!isCached) await stream(id, lines, requestOptions);
  return { batchId: id, runCount: items.length, isCached, publicAccessToken: tokenOf(created) };
}

/** Within a run: the new one has it as its parent. */
function parent(): { parentRunId?: string } {
  const id = currentContext()?.run.id;
  return id === undefined ? {} : { parentRunId: id };
}

function checkTaskId(id: unknown): void {
  if (typeof id === "string" && isId(id)) return;
  throw new InvalidOptionError("id", `${shown(id)} is not an id; a task's must have ${idRule}`);
}

function checkItems(items: unknown): void {
  const count = Array.isArray(items) ? items.length : undefined;
  if (count === undefined)
    throw new InvalidOptionError("items", `${shown(items)} is given; it must be a list`);
  if (count === 0 || count > maxBatchItems) {
    const advice = count > 0 ? ": make several" : "";
    const problem = `a batch of ${count} items; it must have 1 to ${maxBatchItems}${advice}`;
    throw new InvalidOptionError("items", problem);
  }
  const table = { id: anything, payload: anything, options: anything };
  for (const [index, item] of (items as unknown[]).entries())
    checkOptions(item ?? null, table, `items[${index}]`);
}

/** The same error, with the item's index in the name of the argument. */
const ofItem = (index: number, { option, message }: InvalidOptionError): InvalidOptionError =>
  new InvalidOptionError(`items[${index}].${option}`, message.slice(`${option}: `.length));

async function itemLine(
  index: number,
  { id, payload, options = {} }: BatchItem,
  batchKey: WireKey | undefined,
  requestOptions: RequestOptions,
): Promise<string> {
  checkTaskId(id);
  // A later batch with the same key must not run the item again.
  const idempotencyKey =
    options.idempotencyKey ?? (batchKey && (await hashOf([batchKey.idempotencyKey, String(index)])));
  const { payload: data, payloadType } = await packetOf(payload, requestOptions);
  const wire = await wireOptions({ ...options, idempotencyKey });
  const all = { ...wire, ...parent(), payloadType };
  return JSON.stringify({ index, task: id, payload: data, options: all });
}

/** Sends all items, again until the API has every one of them. */
async function stream(id: string, lines: readonly string[], options: RequestOptions): Promise<void> {
  const call = {
    ...options,
    method: "POST",
    path: `/api/v3/batches/${segment(id)}/items`,
    contentType: "application/x-ndjson",
    body: `${lines.join("\n")}\n`,
  } as const;
  for (let attempt = 1; attempt <= streamAttempts; attempt++) {
    if ((await request<{ sealed: boolean }>(call)).body.sealed) return;
  }
  throw new Error(`Batch ${id} was not sealed after ${streamAttempts} tries`);
}

const tokenOf = ({ headers }: Answer<unknown>): string | undefined =>
  headers.get("x-trigger-jwt") ?? undefined;
