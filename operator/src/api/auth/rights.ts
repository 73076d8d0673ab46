/**
 * Whether a caller may do something: the scopes of its token and those of its key must both allow it. A
 * refusal is a 403 that names the scope.
 */
import { batchId, runId } from "@fairlead/protocol/ids";
import type { Request, Response } from "express";
import type { TaskRun } from "../../model/resources.ts";
import { type Caller, callerIn } from "../http/caller.ts";
import { Problem } from "../http/problem.ts";
import type { ApiKey } from "./apiKey.ts";
import { grants, grantsAll, grantsSome, type Subject, type Verb } from "./scopes.ts";

const listsOf = ({ scopes, keyScopes }: Caller): readonly string[][] =>
  [scopes, keyScopes].flatMap((list) => (list ? [[...list]] : []));

export const may = (caller: Caller, verb: Verb, subject: Subject): boolean =>
  isOwnRun(caller, verb, subject) || listsOf(caller).every((scopes) => grants(scopes, verb, subject));

export const maySome = (caller: Caller, verb: Verb, kinds: readonly (keyof Subject)[]): boolean =>
  (kinds.includes("runs") && isOwnRun(caller, verb)) ||
  listsOf(caller).every((scopes) => grantsSome(scopes, verb, kinds));

export const mayAll = (caller: Caller, verb: Verb, kind: keyof Subject): boolean =>
  listsOf(caller).every((scopes) => grantsAll(scopes, verb, kind));

/**
 * The code of a run may always read its own, and change its metadata and tags. Without a subject: some run.
 */
const isOwnRun = ({ attempt }: Caller, verb: Verb, subject?: Subject): boolean =>
  attempt !== undefined &&
  (verb === "read" || verb === "write") &&
  (subject === undefined ||
    [runId(attempt.run), runId(attempt.run, attempt.uid)].some((id) => id === subject.runs));

/** Whether the code of a run may give another what it may itself: a scope such as `read:runs:<id>`. */
export function mayGive(caller: Caller, scope: string): boolean {
  const [, verb, kind = "", id] = /^(read|write|trigger|batchTrigger):([a-z]+)(?::(.+))?$/.exec(scope) ?? [];
  if (verb === undefined) return false;
  if (kind === "all") return caller.scopes?.includes(scope) === true;
  return id === undefined
    ? mayAll(caller, verb as Verb, kind as keyof Subject)
    : may(caller, verb as Verb, { [kind]: kind === "tags" ? [id] : id });
}

export function demand(caller: Caller, verb: Verb, subject: Subject): void {
  if (may(caller, verb, subject)) return;
  const [kind = "", id = ""] = Object.entries(subject)[0] ?? [];
  throw lacks(`${verb}:${kind}:${[id].flat()[0] ?? ""}`);
}

/** For what is decided later: whether any right of these kinds is there at all. */
export function demandSome(caller: Caller, verb: Verb, kinds: readonly (keyof Subject)[]): void {
  if (!maySome(caller, verb, kinds)) throw lacks(`${verb}:${kinds[0]}`);
}

export function allow(response: Response, verb: Verb, subject: Subject): Caller {
  const caller = callerIn(response);
  demand(caller, verb, subject);
  return caller;
}

export function allowSome(response: Response, verb: Verb, ...kinds: (keyof Subject)[]): Caller {
  const caller = callerIn(response);
  demandSome(caller, verb, kinds);
  return caller;
}

export function allowAll(response: Response, verb: Verb, kind: keyof Subject): Caller {
  const caller = callerIn(response);
  if (!mayAll(caller, verb, kind)) throw lacks(`${verb}:${kind}`);
  return caller;
}

const unauthorized = (message: string): Problem =>
  new Problem(403, `Unauthorized: ${message}`, { code: "unauthorized" });
export const lacks = (scope: string): Problem =>
  unauthorized(`the token lacks the scope ${scope.slice(0, 200)}`);

/** Refuses public tokens. */
export function secretOnly(_request: Request, response: Response, next: () => void): void {
  if (callerIn(response).kind === "publicToken") throw unauthorized("a secret key is needed");
  next();
}

/** Refuses public tokens, and keys that have other rights than to manage. */
export function manageOnly(_request: Request, response: Response, next: () => void): void {
  const caller = callerIn(response);
  if (caller.kind === "publicToken" || !listsOf(caller).every((scopes) => scopes.includes("admin")))
    throw unauthorized("a secret key that may manage is needed");
  next();
}

/**
 * Whether the caller is still who it was when its request came: for what goes on for long. `key`: its key as
 * it is now.
 */
export function lasts(caller: Caller, key: ApiKey | undefined, nowMs: number): boolean {
  const { expiresAt = Number.POSITIVE_INFINITY, namespace, keyScopes } = caller;
  const isSame = key?.namespace === namespace && key.scopes?.join(" ") === keyScopes?.join(" ");
  return nowMs < expiresAt && isSame;
}

/** A queue's limit is everybody's who uses it: whoever may trigger a task may not set it. */
export function refuseQueueLimit(
  caller: Caller,
  { queue }: { queue?: { concurrencyLimit?: number | null } },
): void {
  if (queue?.concurrencyLimit == null) return;
  if (caller.kind === "attempt" && !mayAll(caller, "write", "queues")) throw lacks("write:queues");
  if (caller.kind === "publicToken")
    throw unauthorized(
      "options.queue.concurrencyLimit: not for a public token: leave it out, or trigger with a secret key",
    );
}

/** The same, and the code of a run that may do that to all of the kind. */
export const manageOr =
  (verb: Verb, kind: keyof Subject) =>
  (request: Request, response: Response, next: () => void): void => {
    const caller = callerIn(response);
    if (caller.kind !== "attempt") manageOnly(request, response, next);
    else if (mayAll(caller, verb, kind)) next();
    else throw lacks(`${verb}:${kind}`);
  };

/** The names that a right to read or to write a run can have. `id`: the one that it is asked for by. */
export function subjectOf(id: string, { spec }: Pick<TaskRun, "spec">): Subject {
  return { runs: id, tags: spec.tags, tasks: spec.task, batch: spec.batch && batchId(spec.batch.name) };
}
