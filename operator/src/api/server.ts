/**
 * The HTTP API: stateless, any number of replicas. One router for each subject; every error is JSON,
 * `{ "error": "a sentence" }`.
 */
import { runnerApi } from "@fairlead/protocol/runnerApi";
import { type ErrorRequestHandler, type RequestHandler, Router } from "express";
import type { Logger } from "pino";
import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import type { SlowestRate } from "../lib/minimumRate.ts";
import type { BucketLimit } from "../lib/tokenBucket.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import type { ApiKeys } from "./auth/apiKeys.ts";
import { AttemptCallers } from "./auth/attemptCallers.ts";
import { authenticate } from "./auth/auth.ts";
import { namespaceAccess } from "./auth/namespaceAccess.ts";
import { tokensRouter } from "./auth/tokens.ts";
import { batchesRouter } from "./batches/routes.ts";
import { deploymentsRouter } from "./deployments/routes.ts";
import { envVarsRouter } from "./envVars.ts";
import { BodyBudget, withBodyBudget } from "./http/bodyBudget.ts";
import { drainAfterAnswer } from "./http/drain.ts";
import { problemOf } from "./http/problem.ts";
import { rateLimit } from "./http/rateLimit.ts";
import { loggedPath, requestLog } from "./http/requestLog.ts";
import { objectsRouter } from "./objects.ts";
import { openApiRouter } from "./openapi.ts";
import { type Links, packetsRouter } from "./packets.ts";
import { queuesRouter } from "./queues.ts";
import { type RunnerDeps, runnerRouter } from "./runner/routes.ts";
import { idempotencyKeysRouter } from "./runs/idempotencyKeys.ts";
import { runLogsRouter } from "./runs/logs.ts";
import { runMetadataRouter } from "./runs/metadata.ts";
import type { RunReader } from "./runs/reader.ts";
import { replayRouter } from "./runs/replay.ts";
import { runsRouter } from "./runs/routes.ts";
import { runStreamRouter } from "./runs/stream.ts";
import { triggerRouter } from "./runs/trigger.ts";
import { schedulesRouter, timezonesRouter } from "./schedules.ts";
import { unsupportedRouter } from "./unsupported.ts";
import { callbackRouter, tokenRouter } from "./waits/routes.ts";
import type { Waits } from "./waits/waits.ts";

export interface ApiDeps extends RunnerDeps {
  client: KubeClient;
  waits: Waits;
  store: ObjectStore;
  links: Links;
  keys: ApiKeys;
  /** The namespaces of this release; none: all. */
  watchNamespaces?: readonly string[];
  reader: RunReader;
  limits: ApiLimits;
  /** Our name, as in model/namespaceOwner.ts. */
  release: string;
}

export interface ApiLimits {
  /** Of a request's body. */
  bodyBytes: number;
  rate: BucketLimit;
  /** Of a namespace, by the API; 0 or undefined: no limit. */
  unfinishedRuns?: number;
  /** Of a download that goes on; undefined: the default. */
  download?: SlowestRate;
}

export function apiRouter(deps: ApiDeps): Router {
  const router = Router();
  router.use(requestLog(deps.log), drainAfterAnswer);
  router.use(withBodyBudget(new BodyBudget(deps.limits.bodyBytes)));
  router.use(runnerApi, runnerRouter(deps));
  router.use(["/api", "/realtime", "/objects"], crossOrigin);
  router.use(openRoutes(deps));
  const { rate } = deps.limits;
  router.use(
    ["/api", "/realtime"],
    authenticate(deps.keys, new AttemptCallers(deps.identity, deps.tokens), deps.watchNamespaces),
    rateLimit(rate, deps.clock),
    namespaceAccess(deps.client, deps.release, deps.clock),
  );
  router.use(keyedRoutes(deps));
  router.use(unsupportedRouter());
  router.use(errorHandler(deps.log));
  return router;
}

/** Routes that need no key. */
export const openRoutes = (deps: ApiDeps): Router =>
  Router().use(objectsRouter(deps), timezonesRouter(), openApiRouter(), callbackRouter(deps));

export const keyedRoutes = (deps: ApiDeps): Router =>
  Router().use(
    triggerRouter(deps),
    batchesRouter(deps),
    runsRouter(deps),
    replayRouter(deps),
    runMetadataRouter(deps),
    runStreamRouter(deps),
    runLogsRouter(deps),
    queuesRouter(deps),
    schedulesRouter(deps),
    envVarsRouter(deps),
    packetsRouter(deps),
    deploymentsRouter(deps),
    tokenRouter(deps),
    tokensRouter(deps),
    idempotencyKeysRouter(deps),
  );

/** Pages of any origin may call the API: rights come from the token alone, there are no cookies. */
const crossOrigin: RequestHandler = (request, response, next) => {
  response.set({ "access-control-allow-origin": "*", "access-control-expose-headers": "*" });
  if (request.method !== "OPTIONS") return next();
  response.set({
    "access-control-allow-methods": "GET, POST, PUT, DELETE",
    "access-control-allow-headers": request.get("access-control-request-headers") ?? "authorization",
    "access-control-max-age": "86400",
  });
  response.status(204).end();
};

function errorHandler(log: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    // The client has left, or half of an answer was sent already.
    if (response.headersSent || (request.destroyed && !request.complete)) {
      response.destroy();
      return;
    }
    const problem = problemOf(error);
    if (problem) {
      const { status, message, retry, code } = problem;
      if (retry !== undefined) response.set("x-should-retry", String(retry));
      if (status === 429 && !response.hasHeader("retry-after")) response.set("retry-after", "1");
      const details = code ? { code, param: "access_token", type: "authorization" } : {};
      response.status(status).json({ error: message, ...details });
      return;
    }
    // express's own, of a path that cannot be decoded; body-parser's, of an upload.
    const status: unknown = error?.status;
    if (typeof status === "number" && status >= 400 && status < 500 && !(error instanceof KubeError)) {
      response.status(status).json({ error: String(error.message) });
      return;
    }
    const { requestId } = response.locals as { requestId?: string };
    log.error(
      { err: error, requestId, method: request.method, path: loggedPath(request.path) },
      "a request failed",
    );
    // The API server or the bucket did not answer: the same request may work later.
    response
      .status(503)
      .set("retry-after", "1")
      .json({ error: "The API server or the object store does not answer: retry." });
  };
}
