/** What comes in with a request, checked: a Problem names what is wrong. */
import { idPrefix } from "@fairlead/protocol/ids";
import type { Request } from "express";
import type { z } from "zod";
import { Problem } from "./problem.ts";

/** The body, by its schema. */
export function bodyOf<T>(schema: z.ZodType<T>, request: Request): T {
  return check(schema, request.body ?? {}, "body");
}

export function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || where}: ${issue.message.replace(/^Invalid input: /, "")}`,
  );
  throw new Problem(400, problems.slice(0, 5).join("; "));
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
