/** Tasks with a schema, tasks that a schedule starts, and queues that several tasks share. */
import { checkOptions, shown, text, wholeNumber } from "./checks.ts";
import { InvalidOptionError } from "./errors.ts";
import { parserOf, type StandardSchema } from "./schema.ts";
import { type CatalogSlot, slot } from "./slots.ts";
import { defineTask } from "./task.ts";
import type { Task, TaskOptions } from "./types.ts";

/** What a task with a schema is. */
export type SchemaTaskOptions<TId extends string, TIn, TOut, TOutput> = TaskOptions<TId, TOut, TOutput> & {
  /** Of any library with the Standard Schema interface. */
  schema: StandardSchema<TIn, TOut>;
};

/**
 * Defines a task whose payload is checked: when it is triggered here, and before it runs. A payload that does
 * not match fails the run, and is not tried again. `run` gets what the schema makes of it.
 */
export function schemaTask<TId extends string, TIn, TOut, TOutput = unknown>({
  schema,
  ...options
}: SchemaTaskOptions<TId, TIn, TOut, TOutput>): Task<TId, TIn, TOutput> {
  const parsePayload = parserOf(schema);
  if (!parsePayload)
    throw new InvalidOptionError(
      "schema",
      `${shown(schema)} is given; it must be a schema, of Zod for example`,
    );
  return defineTask<TId, TOut, TIn, TOutput>(options as unknown as TaskOptions<TId, TOut, TOutput>, {
    schema,
    parsePayload,
  });
}

/** The payload of a run that a schedule made. */
export interface ScheduledTaskPayload {
  type: "DECLARATIVE" | "IMPERATIVE";
  /** When the run was due, in UTC. */
  timestamp: Date;
  /** When the one before was. */
  lastTimestamp?: Date;
  /** IANA name. */
  timezone: string;
  scheduleId: string;
  externalId?: string;
  /** The next ten times. */
  upcoming: Date[];
}

/** What a task that schedules start is. */
export type ScheduledTaskOptions<TId extends string, TOutput> = TaskOptions<
  TId,
  ScheduledTaskPayload,
  TOutput
> & {
  /** Its own schedule: five fields, in UTC or the time zone given. */
  cron?: string | { pattern: string; timezone?: string; environments?: string[] };
};

const cronTable = {
  pattern: text,
  timezone: text,
  environments: (value: unknown): string | undefined =>
    Array.isArray(value) ? undefined : `${shown(value)} is given; it must be a list`,
};

export function scheduledTask<TId extends string, TOutput = unknown>({
  cron,
  ...options
}: ScheduledTaskOptions<TId, TOutput>): Task<TId, ScheduledTaskPayload, TOutput> {
  const given = typeof cron === "string" ? { pattern: cron } : cron;
  checkOptions(given, cronTable, "cron");
  if (given && given.pattern === undefined)
    throw new InvalidOptionError("cron.pattern", "is missing; for example 0 9 * * *");
  const schedule = given && {
    cron: given.pattern,
    timezone: given.timezone ?? "UTC",
    ...(given.environments ? { environments: given.environments } : {}),
  };
  return defineTask<TId, ScheduledTaskPayload, ScheduledTaskPayload, TOutput>(
    options as TaskOptions<TId, ScheduledTaskPayload, TOutput>,
    { triggerSource: "schedule", ...(schedule ? { schedule } : {}) },
  );
}

/** A queue that tasks name in `queue`. */
export interface QueueOptions {
  name: string;
  concurrencyLimit?: number;
}

/** Defines a queue. */
export function queue(options: QueueOptions): QueueOptions {
  checkOptions(options ?? null, { name: text, concurrencyLimit: wholeNumber(0) });
  if (options.name === undefined) throw new InvalidOptionError("name", "is missing; a queue has one");
  slot<CatalogSlot>("resource-catalog")?.registerQueueMetadata(options);
  return options;
}
