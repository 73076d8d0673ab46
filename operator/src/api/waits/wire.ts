/** A WaitToken as Trigger.dev's clients read it, and the filters of their list. */

import { parseDuration } from "@fairlead/protocol/durations";
import { tokenId } from "@fairlead/protocol/ids";
import type { WaitToken } from "../../model/resources.ts";
import { tokenResult } from "../../model/waitToken.ts";
import { Problem } from "../http/problem.ts";

const statuses = { Waiting: "WAITING", Completed: "COMPLETED", TimedOut: "TIMED_OUT" } as const;

const statusOf = ({ status }: WaitToken) => statuses[status?.state ?? "Waiting"];

export function tokenItem(token: WaitToken, url: string) {
  const { metadata, spec, status } = token;
  return {
    id: tokenId(metadata.name),
    url,
    status: statusOf(token),
    completedAt: status?.completedAt,
    timeoutAt: spec.timeoutAt,
    idempotencyKey: spec.idempotencyKey,
    idempotencyKeyExpiresAt: spec.idempotencyKeyExpiresAt,
    tags: spec.tags ?? [],
    createdAt: metadata.creationTimestamp,
  };
}

export function tokenObject(token: WaitToken, url: string) {
  const state = token.status?.state;
  const result = state === "Completed" || state === "TimedOut" ? tokenResult(token) : undefined;
  return {
    ...tokenItem(token, url),
    ...(result?.output === undefined ? {} : { output: result.output, outputType: result.outputType }),
    outputIsError: result?.ok === false,
  };
}

export const tokenFilters = [
  "status",
  "idempotencyKey",
  "tags",
  "createdAt][period",
  "createdAt][from",
  "createdAt][to",
] as const;

type Fits = (token: WaitToken) => boolean;

/** `given`: the values of the filters, by their names. */
export function tokenFilterOf(given: ReadonlyMap<string, string>, nowMs: number): Fits {
  const tests: Fits[] = [];
  const words = (name: string) => given.get(name)?.split(",");
  const states = words("status");
  for (const word of states ?? []) {
    if (!Object.values(statuses).some((one) => one === word))
      throw new Problem(
        400,
        `filter[status]: "${word.slice(0, 80)}" is none of its values: use WAITING, COMPLETED, TIMED_OUT`,
      );
  }
  if (states) tests.push((token) => states.includes(statusOf(token)));
  const key = given.get("idempotencyKey");
  if (key !== undefined) tests.push(({ spec }) => spec.idempotencyKey === key);
  const tags = words("tags");
  if (tags) tests.push(({ spec }) => tags.some((tag) => spec.tags?.includes(tag)));
  const created = ({ metadata }: WaitToken) => Date.parse(metadata.creationTimestamp ?? "");
  const [from, to] = [timeOf(given, "createdAt][from"), timeOf(given, "createdAt][to")];
  if (from !== undefined) tests.push((token) => created(token) >= from);
  if (to !== undefined) tests.push((token) => created(token) <= to);
  const period = given.get("createdAt][period");
  const seconds = period === undefined ? undefined : parseDuration(period);
  if (period !== undefined && seconds === undefined)
    throw new Problem(
      400,
      `filter[createdAt][period]: "${period.slice(0, 80)}" is not a valid duration (for example 1d)`,
    );
  if (seconds !== undefined) tests.push((token) => created(token) >= nowMs - seconds * 1000);
  return (token) => tests.every((test) => test(token));
}

function timeOf(given: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = given.get(name);
  if (text === undefined) return undefined;
  const ms = /^\d{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms)) throw new Problem(400, `filter[${name}]: "${text.slice(0, 80)}" is not a valid time`);
  return ms;
}
