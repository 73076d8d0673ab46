/**
 * Every request has an id: the client's `x-request-id`, else a new one. It is in the answer, and in what is
 * logged once the answer was sent. Links to objects are rights: their tokens are not logged.
 */
import { randomUUID } from "node:crypto";
import type { RequestHandler } from "express";
import type { Logger } from "pino";
import type { Caller } from "./caller.ts";

/** Routes take any spelling of a path. */
export const loggedPath = (path: string): string =>
  path.replace(/^\/+objects\/.*/i, "/objects/…").slice(0, 512);

export function requestLog(log: Logger): RequestHandler {
  return (request, response, next) => {
    const given = request.get("x-request-id");
    const requestId = given && /^[\x21-\x7e]{1,128}$/.test(given) ? given : randomUUID();
    response.set("x-request-id", requestId);
    response.locals.requestId = requestId;
    const begun = performance.now();
    const { method } = request;
    const path = loggedPath(request.path);
    response.on("close", () => {
      const { caller, requestId: id } = response.locals as { caller?: Caller; requestId: string };
      const ms = Math.round(performance.now() - begun);
      const status = response.writableFinished ? response.statusCode : "aborted";
      log.info({ requestId: id, method, path, status, ms, namespace: caller?.namespace }, "request");
    });
    next();
  };
}
