/** Schedules made from code. */

import { anything, type Check, checkOptions, text, wholeNumber } from "../checks.ts";
import { InvalidOptionError } from "../errors.ts";
import { scheduledTask } from "../schemaTask.ts";
import type { RequestOptions } from "../types.ts";
import { type OffsetPage, offsetPage } from "./offsetPage.ts";
import { request, segment } from "./request.ts";

/** What a schedule is made of. */
export interface ScheduleOptions {
  /** Id of the task to trigger. */
  task: string;
  /** Five-field cron expression. */
  cron: string;
  /** IANA time zone. Default UTC. */
  timezone?: string;
  /** An id of your choice that each run gets. */
  externalId?: string;
}

/** A schedule as it is now. */
export interface Schedule {
  id: string;
  type: "DECLARATIVE" | "IMPERATIVE";
  task: string;
  active: boolean;
  deduplicationKey?: string;
  externalId?: string;
  generator: { type: "CRON"; expression: string; description: string };
  timezone: string;
  nextRun?: string;
}

/** A page of schedules. */
export type SchedulePage = OffsetPage<Schedule>;

const table = { task: text, cron: text, timezone: text, externalId: text } satisfies Record<
  keyof ScheduleOptions,
  Check
>;
const pageTable = {
  signal: anything,
  maxAttempts: wholeNumber(1),
  page: wholeNumber(1),
  perPage: wholeNumber(1),
};

/** A schedule's options; `table` has those of the call. */
function checkSchedule(given: object, table: Record<string, Check>): void {
  checkOptions(given ?? null, table, "");
  for (const name of ["task", "cron"]) {
    if ((given as Record<string, unknown>)[name] === undefined)
      throw new InvalidOptionError(name, "is missing; a schedule has one");
  }
}

const root = "/api/v1/schedules";
const of = (id: string, rest = ""): string => `${root}/${segment(id)}${rest}`;
const post = async (path: string, options: RequestOptions, body?: object): Promise<Schedule> =>
  (await request<Schedule>({ ...options, method: "POST", path, body })).body;

export const schedules = {
  /** Defines a task that schedules start: its own `cron`, and those made for it. */
  task: scheduledTask,
  /** Creates it, or changes the one with that deduplication key. */
  async create(
    schedule: ScheduleOptions & { deduplicationKey: string },
    options: RequestOptions = {},
  ): Promise<Schedule> {
    checkSchedule(schedule, { ...table, deduplicationKey: text });
    return post(root, options, schedule);
  },
  /** One schedule. */
  async retrieve(id: string, options: RequestOptions = {}): Promise<Schedule> {
    return (await request<Schedule>({ ...options, method: "GET", path: of(id) })).body;
  },
  /** Changes it; the task stays. */
  async update(id: string, schedule: ScheduleOptions, options: RequestOptions = {}): Promise<Schedule> {
    checkSchedule(schedule, table);
    return (await request<Schedule>({ ...options, method: "PUT", path: of(id), body: schedule })).body;
  },
  /** Deletes it; its runs stay. */
  async del(id: string, options: RequestOptions = {}): Promise<{ id: string }> {
    return (await request<{ id: string }>({ ...options, method: "DELETE", path: of(id) })).body;
  },
  /** Triggers again. */
  activate: (id: string, options: RequestOptions = {}): Promise<Schedule> =>
    post(of(id, "/activate"), options),
  /** Triggers nothing until it is activated. */
  deactivate: (id: string, options: RequestOptions = {}): Promise<Schedule> =>
    post(of(id, "/deactivate"), options),
  /** All schedules. */
  async list(options: RequestOptions & { page?: number; perPage?: number } = {}): Promise<SchedulePage> {
    checkOptions(options, pageTable);
    const { page, perPage, ...rest } = options;
    const call = { ...rest, method: "GET", path: root, query: { page, perPage } } as const;
    const { body } = await request<SchedulePage>(call);
    return offsetPage(body, (next) => schedules.list({ ...options, page: next }));
  },
  /** The time zones that a schedule may have. */
  async timezones(options: RequestOptions = {}): Promise<{ timezones: string[] }> {
    return (await request<{ timezones: string[] }>({ ...options, method: "GET", path: "/api/v1/timezones" }))
      .body;
  },
};
