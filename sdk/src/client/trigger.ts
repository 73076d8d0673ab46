/** Triggering tasks: one run, or up to 1,000 as a batch. */
import { maxBatchItems, maxPayloadBytes } from "@fairlead/protocol/limits";
import type { BatchStatus } from "@fairlead/protocol/status";
import type { AnyTask, IdOf, OutputOf, PayloadOf } from "../task.ts";
import { hashOf, wireKey } from "./idempotencyKeys.ts";
import { type Packet, packetOf } from "./packet.ts";
import { type Answer, type RequestOptions, request, segment } from "./request.ts";
import { type Run, runs } from "./runs.ts";
import { type TriggerOptions, wireOptions } from "./triggerOptions.ts";

/** A run that was triggered. */
export interface RunHandle {
  /** `run_…`. */
  id: string;
  /** It was there already, under the idempotency key. */
  isCached: boolean;
  /** Lets a browser read this run. */
  publicAccessToken?: string;
}

/** A batch that was triggered. */
export interface BatchHandle {
  batchId: string;
  runCount: number;
  isCached: boolean;
  publicAccessToken?: string;
}

/** Options of a batch as a whole. */
export interface BatchOptions {
  /** Makes the batch once for this key: some text, or what idempotencyKeys.create made of it. */
  idempotencyKey?: string;
  /** How many runs of it may be unfinished at once; never raises a queue's limit. */
  maxConcurrency?: number;
}

/** One item of `batch.trigger`. */
export interface BatchItem<T extends AnyTask = AnyTask> {
  id: IdOf<T>;
  payload: PayloadOf<T>;
  options?: TriggerOptions;
}

/** What became of a batch. */
export interface Batch {
  id: string;
  status: BatchStatus;
  runCount: number;
  /** Ids of its runs, in the order of its items. */
  runs: string[];
}

/** How often a stream is sent whole before it is given up. */
const streamAttempts = 5;

export const tasks = {
  /** Triggers a task by its id. Give the task's type for full type checking: `tasks.trigger<typeof hello>(…)`. */
  async trigger<T extends AnyTask>(
    id: IdOf<T>,
    payload: PayloadOf<T>,
    options: TriggerOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<RunHandle> {
    const wire = await wireOptions(options);
    const { payload: data, payloadType } = await packetOf(payload, requestOptions);
    const answer = await request<RunHandle>({
      ...requestOptions,
      method: "POST",
      path: `/api/v1/tasks/${segment(id)}/trigger`,
      body: { payload: data, options: { ...wire, payloadType } },
    });
    const { id: runId, isCached = false } = answer.body;
    return { id: runId, isCached, publicAccessToken: tokenOf(answer) };
  },

  /** Triggers a task once for each item. */
  batchTrigger<T extends AnyTask>(
    id: IdOf<T>,
    items: readonly { payload: PayloadOf<T>; options?: TriggerOptions }[],
    options: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchHandle> {
    const all = items.map((item) => ({ id, ...item }));
    return batch.trigger<T>(all, options, requestOptions);
  },

  /** Triggers a task and asks until its run has ended, however long that takes. */
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
    { idempotencyKey, maxConcurrency }: BatchOptions = {},
    requestOptions: RequestOptions = {},
  ): Promise<BatchHandle> {
    if (items.length === 0 || items.length > maxBatchItems) {
      throw new RangeError(
        `A batch has 1 to ${maxBatchItems} items, this one ${items.length}: make several.`,
      );
    }
    const batchKey = idempotencyKey === undefined ? undefined : await wireKey(idempotencyKey);
    const lines: string[] = [];
    let bytes = 0;
    for (const [index, { id, payload, options = {} }] of items.entries()) {
      // A batch that is made again for its key, later, makes no run again.
      const key =
        options.idempotencyKey ?? (batchKey && (await hashOf([batchKey.idempotencyKey, String(index)])));
      const each = { ...options, idempotencyKey: key };
      const packet: Packet = await packetOf(payload, requestOptions);
      const whole = { ...(await wireOptions(each)), payloadType: packet.payloadType };
      const line = JSON.stringify({ index, task: id, payload: packet.payload, options: whole });
      bytes += Buffer.byteLength(line);
      lines.push(line);
    }
    if (bytes > maxPayloadBytes * 1.5) {
      throw new RangeError(
        `The items have ${bytes} bytes, at most ${maxPayloadBytes} (10 MB) of payloads are allowed: make several batches.`,
      );
    }
    const body = { runCount: items.length, ...batchKey, maxConcurrency };
    const created = await request<{ id: string; isCached: boolean }>({
      ...requestOptions,
      method: "POST",
      path: "/api/v3/batches",
      body,
    });
    const { id, isCached } = created.body;
    if (!isCached) await stream(id, lines, requestOptions);
    return { batchId: id, runCount: items.length, isCached, publicAccessToken: tokenOf(created) };
  },

  /** The batch as it is now. */
  async retrieve(id: string, options: RequestOptions = {}): Promise<Batch> {
    return (await request<Batch>({ ...options, method: "GET", path: `/api/v2/batches/${segment(id)}` })).body;
  },
};

/** All items, again until the API has every one of them. */
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
