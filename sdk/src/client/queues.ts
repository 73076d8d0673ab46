/** Queues: read, pause, resume, override their limits. */

import { anything, checkOptions, oneOf, shown, wholeNumber } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import type { RequestOptions } from "../types.ts";
import { type OffsetPage, offsetPage } from "./offsetPage.ts";
import { request } from "./request.ts";

/** Which queue: a custom one by its name, or a task's own by the task's id. */
export type QueueRef = { type: "task" | "custom"; name: string } | string;

/** A queue as it is now. */
export interface Queue {
  id: string;
  name: string;
  type: "task" | "custom";
  running: number;
  queued: number;
  paused: boolean;
  /** null: none. */
  concurrencyLimit: number | null;
}

/** A page of queues. */
export type QueuePage = OffsetPage<Queue>;

/** A slash in a name is encoded twice, as Trigger.dev's clients do. */
function pathOf(queue: QueueRef, rest = ""): string {
  if (typeof queue === "object")
    checkOptions(queue, { type: oneOf("task", "custom"), name: anything }, "queue");
  const name = typeof queue === "string" ? queue : queue?.name;
  if (typeof name !== "string" || name === "")
    throw new InvalidOptionError("queue", `${shown(name)} is given; it must be a queue's name or id`);
  return `/api/v1/queues/${encodeURIComponent(name.replaceAll("/", "%2F"))}${rest}`;
}
const typeOf = (queue: QueueRef): string => (typeof queue === "string" ? "id" : queue.type);

async function change(queue: QueueRef, rest: string, body: object, options: RequestOptions): Promise<Queue> {
  const call = {
    ...options,
    method: "POST",
    path: pathOf(queue, rest),
    body: { type: typeOf(queue), ...body },
  } as const;
  return (await request<Queue>(call)).body;
}

const pageTable = {
  signal: anything,
  maxAttempts: wholeNumber(1),
  page: wholeNumber(1),
  perPage: wholeNumber(1),
};

export const queues = {
  /** All queues, by name. `for await` goes through all pages. */
  async list(options: RequestOptions & { page?: number; perPage?: number } = {}): Promise<QueuePage> {
    checkOptions(options, pageTable);
    const { page, perPage, ...rest } = options;
    const call = { ...rest, method: "GET", path: "/api/v1/queues", query: { page, perPage } } as const;
    const { body } = await request<QueuePage>(call);
    return offsetPage(body, (next) => queues.list({ ...options, page: next }));
  },
  /** One queue. */
  async retrieve(queue: QueueRef, options: RequestOptions = {}): Promise<Queue> {
    return (
      await request<Queue>({ ...options, method: "GET", path: pathOf(queue), query: { type: typeOf(queue) } })
    ).body;
  },
  /** Admits nothing until it is resumed; runs that execute go on. */
  pause: (queue: QueueRef, options: RequestOptions = {}): Promise<Queue> =>
    change(queue, "/pause", { action: "pause" }, options),
  /** Admits again. */
  resume: (queue: QueueRef, options: RequestOptions = {}): Promise<Queue> =>
    change(queue, "/pause", { action: "resume" }, options),
  /** A limit that wins over the declared one until it is reset. */
  async overrideConcurrencyLimit(
    queue: QueueRef,
    concurrencyLimit: number,
    options: RequestOptions = {},
  ): Promise<Queue> {
    checkOptions({ concurrencyLimit: concurrencyLimit ?? null }, { concurrencyLimit: wholeNumber(0) });
    return change(queue, "/concurrency/override", { concurrencyLimit }, options);
  },
  /** The declared limit counts again. */
  resetConcurrencyLimit: (queue: QueueRef, options: RequestOptions = {}): Promise<Queue> =>
    change(queue, "/concurrency/reset", {}, options),
};
