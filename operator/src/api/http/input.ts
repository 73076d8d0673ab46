/** What comes in with a request, checked: a Problem names what is wrong. */
import { idPrefix } from "@fairlead/protocol/ids";
import type { Request } from "express";
import type { z } from "zod";
import { isRawNumber } from "../../lib/exactJson.ts";
import { nearest } from "../../lib/nearest.ts";
import { type BodyLimit, readJson, smallBodyBytes } from "./body.ts";
import { bodiesIn } from "./bodyBudget.ts";
import { Problem } from "./problem.ts";

/** The body, by its schema. Read only now: a route checks the caller's scopes first. */
export async function bodyOf<T>(
  schema: z.ZodType<T>,
  request: Request,
  limit: BodyLimit = { maxBytes: smallBodyBytes },
): Promise<T> {
  const body = await readJson(request, bodiesIn(request), limit);
  return check(schema, body === undefined ? {} : body, "body");
}

/** 422 for a field that the schema does not have, 400 for any other fault. */
export function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value, { error: wordOf });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap((issue) => inBranch(issue));
  const problems = issues.map(
    ({ path, message }) => `${path.join(".") || where}: ${message.replace(/^Invalid input: /, "")}`,
  );
  const isUnknown = issues.some(({ code }) => code === "unrecognized_keys");
  throw new Problem(isUnknown ? 422 : 400, problems.slice(0, 5).join("; ").slice(0, 2000));
}

type Issue = z.core.$ZodIssue;

/** Of a union, the issues of the form that the value has. */
function inBranch(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const fits = issue.errors.find(
    (some) => !some.some(({ code, path }) => code === "invalid_type" && !path.length),
  );
  return fits?.flatMap((one) => inBranch({ ...one, path: [...issue.path, ...one.path] })) ?? [issue];
}

function wordOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === "invalid_type" && isRawNumber(issue.input)) return "the number is too large";
  if (issue.code !== "unrecognized_keys") return undefined;
  const shape = (issue.inst as z.ZodObject | undefined)?.def.shape ?? {};
  return issue.keys.map((key) => unknownField(key, Object.keys(shape))).join(", ");
}

function unknownField(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  const name = JSON.stringify(key.slice(0, 80));
  return meant
    ? `${name} is not a known field: use ${meant}`
    : `${name} is not a known field: use ${known.join(", ")}`;
}

/** The token of `Authorization: Bearer <token>`. */
export function bearerOf(request: Request): string | undefined {
  const [scheme, token] = (request.get("authorization") ?? "").split(" ");
  return scheme?.toLowerCase() === "bearer" ? token : undefined;
}

/** A query parameter that is given once. */
export function query(request: Request, name: string): string | undefined {
  const value = request.query[name];
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") throw new Problem(400, `${name}: given more than once`);
  return value;
}

/** A whole number between two bounds. */
export function countOf(request: Request, name: string, fallback: number, most: number): number {
  const text = query(request, name);
  if (text === undefined) return fallback;
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > most)
    throw new Problem(400, `${name}: a whole number from 1 to ${most} is needed`);
  return count;
}

/** The client's id of this call: the same when it sends the call again. */
export const requestKeyOf = (request: Request): string | undefined =>
  request.get("x-trigger-request-idempotency-key");

/** `run_abc` → `abc`; the name alone will do. */
export const nameIn = (id: string, prefix: string): string =>
  id.startsWith(prefix) ? id.slice(prefix.length) : id;

/** The run that an id names: `run_<name>`, or with its uid `run_<name>.<uid>`. */
export function runOfId(id: string): { name: string; uid?: string } {
  const name = nameIn(id, idPrefix.run);
  const [, before, uid] = /^(.+)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(name) ?? [];
  return before === undefined ? { name } : { name: before, uid };
}

/** One part of the path. */
export const param = (request: Request, name: string): string =>
  String([request.params[name]].flat()[0] ?? "");
