/**
 * `filter[status]=QUEUED,EXECUTING&filter[tag]=a …` of a list of runs, as a predicate. Lists are separated by
 * commas.
 */
import { parseDate, parseDuration } from "@fairlead/protocol/durations";
import { idPrefix } from "@fairlead/protocol/ids";
import { machineNames } from "@fairlead/protocol/machines";
import { nearest } from "../../../lib/nearest.ts";
import { queueNameOf } from "../../../model/queue/governing.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { nameIn } from "../../http/input.ts";
import { Problem } from "../../http/problem.ts";
import { namesOf, statusOf, statusWords } from "./status.ts";

type Fits = (run: TaskRun) => boolean;

const pageParameters = ["page[size]", "page[after]", "page[before]"];
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
  const given = read(query);
  const tests: Fits[] = [];
  const oneOf = (
    field: string,
    of: (run: TaskRun) => string | undefined | readonly string[],
    wantedBy: (word: string) => string[] = (word) => [word],
  ): void => {
    const wanted = given.get(field)?.split(",").flatMap(wantedBy);
    if (wanted)
      tests.push((run) => [of(run)].flat().some((value) => value !== undefined && wanted.includes(value)));
  };
  oneOf("status", statusOf, (word) => namesOf(word) ?? unknown("status", word, statusWords));
  oneOf("taskIdentifier", ({ spec }) => spec.task);
  oneOf("version", ({ status }) => status?.version);
  oneOf("tag", ({ spec }) => spec.tags);
  oneOf(
    "machine",
    ({ spec }) => spec.machine,
    (word) => (machineNames.some((name) => name === word) ? [word] : unknown("machine", word, machineNames)),
  );
  oneOf("queue", (run) => queueNameOf(run, undefined));
  oneOf(
    "schedule",
    ({ spec }) => spec.schedule?.name,
    (id) => [nameIn(id, idPrefix.schedule)],
  );
  oneOf(
    "batch",
    ({ spec }) => spec.batch?.name,
    (id) => [nameIn(id, idPrefix.batch)],
  );
  const isTest = given.get("isTest");
  if (isTest !== undefined) {
    if (isTest !== "true" && isTest !== "false") unknown("isTest", isTest, ["true", "false"]);
    tests.push(({ spec }) => (spec.test ?? false) === (isTest === "true"));
  }
  tests.push(...createdTests(given));
  return (run) => tests.every((test) => test(run));
}

/** The values by their fields; a parameter that is none of the list's is refused. */
function read(query: Record<string, unknown>): Map<string, string> {
  const given = new Map<string, string>();
  const known = [...pageParameters, ...filterFields.map((field) => `filter[${field}]`)];
  for (const [name, value] of Object.entries(query)) {
    if (!known.includes(name)) {
      const meant = nearest(fieldOf(name), filterFields);
      const right = meant ? `filter[${meant}]` : known.join(", ");
      throw new Problem(400, `${name.slice(0, 80)}: not supported: use ${right}`);
    }
    if (typeof value !== "string")
      throw new Problem(
        400,
        `${name}: given more than once: give one value, or several with commas between them`,
      );
    if (value !== "") given.set(fieldOf(name), value);
  }
  return given;
}

const fieldOf = (parameter: string): string => parameter.replace(/^filter\[(.+)\]$/, "$1");

function unknown(field: string, word: string, known: readonly string[]): never {
  const meant = nearest(word, known);
  throw new Problem(
    400,
    `filter[${field}]: ${JSON.stringify(word.slice(0, 80))} is none of its values: use ${meant ?? known.join(", ")}`,
  );
}

function createdTests(given: ReadonlyMap<string, string>): Fits[] {
  const tests: Fits[] = [];
  const created = (run: TaskRun): number => Date.parse(run.metadata.creationTimestamp ?? "");
  const [from, to] = [timeOf(given, "createdAt][from"), timeOf(given, "createdAt][to")];
  if (from !== undefined && to !== undefined && from > to)
    throw new Problem(400, "filter[createdAt][from]: later than filter[createdAt][to]: no run can match");
  if (from !== undefined) tests.push((run) => created(run) >= from);
  if (to !== undefined) tests.push((run) => created(run) <= to);
  const period = given.get("createdAt][period");
  if (period !== undefined) {
    const seconds = parseDuration(period);
    if (seconds === undefined)
      throw new Problem(
        400,
        `filter[createdAt][period]: "${period.slice(0, 80)}" is not a valid duration (for example 1d)`,
      );
    tests.push((run) => created(run) >= Date.now() - seconds * 1000);
  }
  return tests;
}

/** Milliseconds since the epoch, or a date. Milliseconds of before 1973 are seconds of today. */
function timeOf(given: ReadonlyMap<string, string>, field: string): number | undefined {
  const text = given.get(field);
  if (text === undefined) return undefined;
  const ms = /^\d{12,15}$/.test(text) ? Number(text) : parseDate(text);
  if (ms !== undefined) return ms;
  throw new Problem(
    400,
    `filter[${field}]: "${text.slice(0, 80)}" is not a valid time: give milliseconds since the epoch, or a date with its time zone (for example 2030-12-24T18:00:00Z)`,
  );
}
