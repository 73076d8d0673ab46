/**
 * `filter[status]=QUEUED,EXECUTING&filter[tag]=a …` of a list of runs, as a predicate. Lists are separated by
 * commas.
 */
import { parseDuration } from "@fairlead/protocol/durations";
import { batchId, scheduleId } from "@fairlead/protocol/ids";
import { defaultQueueOf } from "../../../model/queue/governing.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { Problem } from "../../http/problem.ts";
import { namesOf, statusOf } from "./status.ts";

type Fits = (run: TaskRun) => boolean;

export const filterFields = [
  "status",
  "taskIdentifier",
  "version",
  "tag",
  "queue",
  "machine",
  "schedule",
  "batch",
  "isTest",
  "createdAt][from",
  "createdAt][to",
  "createdAt][period",
] as const;

export function filterOf(query: Record<string, unknown>): Fits {
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(query)) {
    const field = /^filter\[(.+)\]$/.exec(name)?.[1];
    if (field === undefined) continue;
    if (!filterFields.some((known) => known === field)) {
      throw new Problem(
        400,
        `filter[${field}]: not supported: use ${filterFields.map((one) => `filter[${one}]`).join(", ")}`,
      );
    }
    if (typeof value !== "string")
      throw new Problem(
        400,
        `filter[${field}]: given more than once: give one value, or several with commas between them`,
      );
    if (value !== "") given.set(field, value);
  }
  const tests: Fits[] = [];
  const oneOf = (
    field: string,
    of: (run: TaskRun) => readonly (string | undefined)[],
    wanted?: string[],
  ): void => {
    const list = wanted ?? given.get(field)?.split(",");
    if (list) tests.push((run) => of(run).some((value) => value !== undefined && list.includes(value)));
  };
  oneOf("status", (run) => [statusOf(run)], given.get("status")?.split(",").flatMap(namesOf));
  oneOf("taskIdentifier", ({ spec }) => [spec.task]);
  oneOf("version", ({ status }) => [status?.version]);
  oneOf("tag", ({ spec }) => spec.tags ?? []);
  oneOf("machine", ({ spec }) => [spec.machine]);
  oneOf("queue", ({ spec, status }) => [
    status?.queue ?? spec.queue?.name ?? defaultQueueOf(spec.task ?? ""),
  ]);
  oneOf("schedule", ({ spec }) => [spec.schedule && scheduleId(spec.schedule.name)]);
  oneOf("batch", ({ spec }) => [spec.batch && batchId(spec.batch.name)]);
  const isTest = given.get("isTest");
  if (isTest !== undefined) tests.push(({ spec }) => (spec.test ?? false) === (isTest === "true"));
  const created = (run: TaskRun): number => Date.parse(run.metadata.creationTimestamp ?? "");
  const from = timeOf(given, "createdAt][from");
  const to = timeOf(given, "createdAt][to");
  if (from !== undefined) tests.push((run) => created(run) >= from);
  if (to !== undefined) tests.push((run) => created(run) <= to);
  const period = given.get("createdAt][period");
  if (period !== undefined) {
    const seconds = parseDuration(period);
    if (seconds === undefined)
      throw new Problem(
        400,
        `filter[createdAt][period]: "${period}" is not a valid duration (for example 1d)`,
      );
    tests.push((run) => created(run) >= Date.now() - seconds * 1000);
  }
  return (run) => tests.every((test) => test(run));
}

/** Milliseconds since the epoch, or a date. */
function timeOf(given: ReadonlyMap<string, string>, field: string): number | undefined {
  const text = given.get(field);
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms))
    throw new Problem(
      400,
      `filter[${field}]: "${text}" is not a valid time: give milliseconds since the epoch, or a date`,
    );
  return ms;
}
