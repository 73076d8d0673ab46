/**
 * Every request has an id: the client's `x-request-id`, else a new one. It is in the answer, and in what is
 * logged once the answer was sent: who asked (namespace, Secret of the key, hash of the token, address), for
 * what, and how it ended. A request that has changed something is the line "change", and has what was made or
 * changed (`note`). Links to objects are rights: their tokens are not logged.
 */
import { randomUUID } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import type { Logger } from "pino";
import type { Caller } from "./caller.ts";

/** Routes take any spelling of a path. */
export const loggedPath = (path: string): string =>
  path.replace(/^\/+objects\/.*/i, "/objects/…").slice(0, 512);

type Noted = Record<string, unknown>;
interface Locals {
  caller?: Caller;
  noted?: Noted;
}

/** What a request made or changed, where its path does not say it. No values. */
export function note({ locals }: Response, what: Noted): void {
  const known = locals as Locals;
  known.noted = { ...known.noted, ...what };
}

export function requestLog(log: Logger): RequestHandler {
  return (request, response, next) => {
    const given = request.get("x-request-id");
    const requestId = given && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
    response.set("x-request-id", requestId);
    response.locals.requestId = requestId;
    const begun = performance.now();
    const asked = {
      requestId,
      method: request.method,
      path: loggedPath(request.path),
      ...addressOf(request),
    };
    response.on("close", () => {
      const { caller, noted } = response.locals as Locals;
      const ms = Math.round(performance.now() - begun);
      const status = response.writableFinished ? response.statusCode : "aborted";
      const { namespace, keyName: key, tokenHash } = caller ?? {};
      const token = tokenHash?.slice(0, 12);
      // A client that has left may have changed something.
      const isDone = status === "aborted" || status < 400;
      const isChange = caller !== undefined && isDone && !/^(GET|HEAD|OPTIONS)$/.test(request.method);
      log.info({ ...asked, status, ms, namespace, key, token, ...noted }, isChange ? "change" : "request");
    });
    next();
  };
}

/** Where it comes from, and where a proxy, or the client itself, says that it comes from. */
function addressOf(request: Request): { from: string | undefined; forwardedFor?: string } {
  const from = request.socket.remoteAddress;
  const said = request.get("x-forwarded-for")?.replace(/[^\x20-\x7e]/g, "?");
  return said === undefined ? { from } : { from, forwardedFor: said.slice(0, 128) };
}
