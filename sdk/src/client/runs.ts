/** Runs: read, follow, list, cancel, replay. */

import { type RunStatus, runStatuses } from "@fairlead/protocol/status";
import {
  anything,
  type Check,
  checkOptions,
  date,
  duration,
  oneOf,
  oneOrMore,
  text,
  texts,
  truth,
  wholeNumber,
} from "../checks.ts";
import type { AnyTask, OutputOf, PayloadOf, RequestOptions, UnknownTask } from "../types.ts";
import { ApiError, errorOfStatus } from "./apiError.ts";
import { restored } from "./packet.ts";
import { pause } from "./pause.ts";
import { parse, request, segment } from "./request.ts";
import { connect, sendToStore, textOf } from "./send.ts";
import { settingsInForce } from "./settings.ts";
import { wireDelay } from "./triggerOptions.ts";

/** What a list shows of a run. */
export interface RunSummary {
  /** `run_…`. */
  id: string;
  status: RunStatus;
  taskIdentifier: string;
  /** The key as its user wrote it. */
  idempotencyKey?: string;
  version?: string;
  /** True in every terminal status. */
  isCompleted: boolean;
  isQueued: boolean;
  isExecuting: boolean;
  isSuccess: boolean;
  isFailed: boolean;
  isCancelled: boolean;
  isTest: boolean;
  createdAt: Date;
  updatedAt: Date;
  startedAt?: Date;
  finishedAt?: Date;
  delayedUntil?: Date;
  expiredAt?: Date;
  ttl?: string;
  tags: string[];
  metadata?: Record<string, unknown>;
  /** Milliseconds from the first attempt's start to the end. */
  durationMs: number;
}

/** A run with its payload and result. */
export interface Run<TPayload = unknown, TOutput = unknown> extends RunSummary {
  payload?: TPayload;
  /** Where the payload is, when it has more than 512 KB. */
  payloadPresignedUrl?: string;
  output?: TOutput;
  /** Where the output is, when it has more than 512 KB. */
  outputPresignedUrl?: string;
  error?: { name?: string; message: string; stackTrace?: string };
  attemptCount: number;
  batchId?: string;
}

/** Which runs a list has; several values of a field: any of them. */
export interface ListRunsOptions extends RequestOptions {
  status?: RunStatus | RunStatus[];
  taskIdentifier?: string | string[];
  version?: string | string[];
  tag?: string | string[];
  queue?: string | string[];
  schedule?: string;
  batch?: string;
  isTest?: boolean;
  from?: Date;
  to?: Date;
  /** A duration up to now, such as `1d`. */
  period?: string;
  /** Runs a page, 1 to 100. Default 25. */
  limit?: number;
  /** Cursor of a page before. */
  after?: string;
  before?: string;
}

/** A run of a task. */
export type RunOf<T extends AnyTask> = Run<PayloadOf<T>, OutputOf<T>>;

/** A page of a list; iterating over it goes on through all pages. */
export interface RunPage extends AsyncIterable<RunSummary> {
  data: RunSummary[];
  hasNextPage(): boolean;
  getNextPage(): Promise<RunPage>;
}

const listTable = {
  signal: anything,
  maxAttempts: wholeNumber(1),
  status: oneOrMore(oneOf(...runStatuses)),
  taskIdentifier: texts,
  version: texts,
  tag: texts,
  queue: texts,
  schedule: text,
  batch: text,
  isTest: truth,
  from: date,
  to: date,
  period: duration,
  limit: wholeNumber(1, 100),
  after: text,
  before: text,
} satisfies Record<keyof ListRunsOptions, Check>;

const dates = ["createdAt", "updatedAt", "startedAt", "finishedAt", "delayedUntil", "expiredAt"] as const;
const pollMs = 1_000;
/** How often in a row opening a stream may fail. */
const openAttempts = 5;

const isTemporary = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === undefined || error.status === 429 || error.status >= 500);

export const runs = {
  /**
   * The run as it is now. Throws NotFoundError for an unknown id. Give the task's type for the types of
   * payload and output: `runs.retrieve<typeof hello>(id)`.
   */
  async retrieve<T extends AnyTask = UnknownTask>(
    id: string,
    options: RequestOptions = {},
  ): Promise<RunOf<T>> {
    const { body } = await request<WireRun>({
      ...options,
      method: "GET",
      path: `/api/v3/runs/${segment(id)}`,
    });
    return (await complete(body, options)) as RunOf<T>;
  },

  /** The run once it has ended, in whatever status. Asks every second, or every pollIntervalMs. */
  async poll<T extends AnyTask = UnknownTask>(
    id: string,
    { pollIntervalMs = pollMs, ...options }: RequestOptions & { pollIntervalMs?: number } = {},
  ): Promise<RunOf<T>> {
    for (;;) {
      const run = await runs.retrieve<T>(id, options);
      if (run.isCompleted) return run;
      await pause(pollIntervalMs, options.signal);
    }
  },

  /** The run each time that it changes, until it has ended. */
  async *subscribe<T extends AnyTask = UnknownTask>(
    id: string,
    { signal, maxAttempts = openAttempts }: RequestOptions = {},
  ): AsyncGenerator<RunOf<T>, void, undefined> {
    // A stream that breaks off is opened again; its first event is the run as it is now.
    let latest: string | undefined;
    for (let failures = 0; ; ) {
      try {
        for await (const text of streamOf(id, signal)) {
          // One attempt: a failure in here opens the stream again.
          const run = (await complete(JSON.parse(text) as WireRun, { signal, maxAttempts: 1 })) as RunOf<T>;
          if (text !== latest) yield run;
          [latest, failures] = [text, 0];
          if (run.isCompleted) return;
        }
      } catch (error) {
        if (!isTemporary(error) || ++failures >= maxAttempts) throw error;
      }
      await pause(pollMs, signal);
    }
  },

  /** Newest first. `for await` goes through all pages. */
  async list(options: ListRunsOptions = {}): Promise<RunPage> {
    checkOptions(options, listTable);
    const { signal, maxAttempts, limit, after, before, from, to, period, isTest, schedule, batch, ...lists } =
      options;
    const query: Record<string, string | number | boolean | undefined> = {
      "page[size]": limit,
      "page[after]": after,
      "page[before]": before,
      "filter[createdAt][from]": from?.getTime(),
      "filter[createdAt][to]": to?.getTime(),
      "filter[createdAt][period]": period,
      "filter[isTest]": isTest,
      "filter[schedule]": schedule,
      "filter[batch]": batch,
    };
    for (const [field, value] of Object.entries(lists)) {
      if (value !== undefined) query[`filter[${field}]`] = [value].flat().join(",");
    }
    const call = { method: "GET", path: "/api/v1/runs", query, signal, maxAttempts } as const;
    const { body } = await request<{ data: RunSummary[]; pagination: { next?: string } }>(call);
    return page(body.data.map(dated), body.pagination.next, options);
  },

  /** Cancels the run; a run that has ended stays as it is. */
  async cancel(id: string, options: RequestOptions = {}): Promise<{ id: string }> {
    const path = `/api/v2/runs/${segment(id)}/cancel`;
    return (await request<{ id: string }>({ ...options, method: "POST", path })).body;
  },

  /** A new run with the same payload. */
  async replay(id: string, options: RequestOptions = {}): Promise<{ id: string }> {
    const path = `/api/v1/runs/${segment(id)}/replay`;
    return (await request<{ id: string }>({ ...options, method: "POST", path })).body;
  },

  /** Moves the start of a run that is delayed. */
  async reschedule(id: string, body: { delay: string | Date }, options: RequestOptions = {}): Promise<Run> {
    checkOptions(body ?? null, { delay: anything }, "body");
    const delay = wireDelay(body.delay);
    const path = `/api/v1/runs/${segment(id)}/reschedule`;
    const answer = await request<WireRun>({ ...options, method: "POST", path, body: { delay } });
    return complete(answer.body, options);
  },
};

function page(data: RunSummary[], next: string | undefined, options: ListRunsOptions): RunPage {
  const getNextPage = (): Promise<RunPage> => {
    if (next === undefined) throw new RangeError("This is the last page");
    return runs.list({ ...options, before: undefined, after: next });
  };
  return {
    data,
    hasNextPage: () => next !== undefined,
    getNextPage,
    async *[Symbol.asyncIterator]() {
      yield* data;
      if (next !== undefined) yield* await getNextPage();
    },
  };
}

function dated<T extends RunSummary>(run: T): T {
  const read = run as T & Record<string, unknown>;
  for (const field of dates) {
    const value = read[field];
    if (typeof value === "string") (read as Record<string, unknown>)[field] = new Date(value);
  }
  return run;
}

/** A run as it is sent: with what superjson needs to restore payload and output. */
type WireRun = Run & { payloadMeta?: unknown; outputMeta?: unknown };

/**
 * With dates and with the types of payload and output; an output of more than 512 KB is fetched from its URL.
 */
async function complete({ payloadMeta, outputMeta, ...run }: WireRun, options: RequestOptions): Promise<Run> {
  dated(run);
  run.payload = await restored(run.payload, payloadMeta);
  run.output =
    run.outputPresignedUrl !== undefined && run.output === undefined
      ? await fetchValue(run.outputPresignedUrl, options)
      : await restored(run.output, outputMeta);
  return run;
}

export async function fetchValue(url: string, options: RequestOptions): Promise<unknown> {
  const { headers, text } = await sendToStore(url, {}, "The output could not be fetched", options);
  const type = headers.get("content-type") ?? "";
  if (!type.includes("json")) return text;
  const value = JSON.parse(text);
  return type.includes("super+json") ? restored(value.json, value.meta) : value;
}

/** The `data:` lines of a server-sent stream. */
async function* streamOf(
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  const { baseURL, token } = settingsInForce();
  const url = `${baseURL}/realtime/fairlead/v1/runs/${segment(id)}`;
  const response = await connect(url, { headers: { authorization: `Bearer ${token}` }, signal });
  if (!response.ok || !response.body) {
    const text = await textOf(response, signal);
    throw errorOfStatus(response.status, parse(text), baseURL);
  }
  let rest = "";
  try {
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("data: ")) yield line.slice("data: ".length);
    }
  } catch (error) {
    if (signal?.aborted) throw error;
  }
}
