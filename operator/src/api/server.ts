/**
 * What the API server answers: stateless, any number of replicas. One router per subject; every error is JSON,
 * `{ "error": "a sentence" }`.
 */
import { randomUUID } from "node:crypto";
import express, { type ErrorRequestHandler, Router } from "express";
import type { Logger } from "pino";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/client.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { authenticate } from "./auth.ts";
import { batchesRouter } from "./batches.ts";
import { type EngineDeps, engineRouter } from "./engine.ts";
import type { ApiKeys } from "./keys.ts";
import { liveRouter } from "./live.ts";
import { openApiRouter } from "./openapi.ts";
import { type Links, objectsRouter, packetsRouter } from "./packets.ts";
import { Problem } from "./problem.ts";
import { queuesRouter } from "./queues.ts";
import type { RunReader } from "./runReader.ts";
import { runsRouter } from "./runs.ts";
import { schedulesRouter, timezonesRouter } from "./schedules.ts";
import { tokensRouter } from "./tokens.ts";
import { triggerRouter } from "./trigger.ts";

export interface ApiDeps extends EngineDeps {
  client: KubeClient;
  store: ObjectStore;
  keys: ApiKeys;
  reader: RunReader;
  links: Links;
}

/** A payload of 10 MB as JSON in JSON, with what is around it. */
const bodyLimit = 24 * 1024 * 1024;

export function apiRouter(deps: ApiDeps): Router {
  const router = Router();
  router.use((request, response, next) => {
    response.set("x-request-id", request.get("x-request-id")?.slice(0, 128) ?? randomUUID());
    next();
  });
  router.use("/engine/v1", engineRouter(deps));
  router.use(objectsRouter(deps), timezonesRouter(), openApiRouter());
  router.use(["/api", "/realtime"], authenticate(deps.keys), express.json({ limit: bodyLimit }));
  router.use(
    triggerRouter(deps),
    batchesRouter(deps),
    runsRouter(deps),
    queuesRouter(deps),
    schedulesRouter(deps),
    packetsRouter(deps),
    tokensRouter(deps),
    liveRouter(deps),
  );
  router.use((request, response) => {
    response.status(404).json({ error: `There is no ${request.method} ${request.path}.` });
  });
  router.use(errorHandler(deps.log));
  return router;
}

function errorHandler(log: Logger): ErrorRequestHandler {
  return (error, request, response, _next) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (error instanceof Problem) {
      if (error.retry !== undefined) response.set("x-should-retry", String(error.retry));
      const details = error.code ? { code: error.code, param: "access_token", type: "authorization" } : {};
      response.status(error.status).json({ error: error.message, ...details });
      return;
    }
    // body-parser's errors: too large, not JSON, a broken encoding.
    const status: unknown = error?.status;
    if (typeof status === "number" && status >= 400 && status < 500 && !(error instanceof KubeError)) {
      const message = status === 413 ? "Request body too large" : String(error.message);
      response.status(status).json({ error: message });
      return;
    }
    log.error({ err: error, method: request.method, path: request.path }, "a request failed");
    // The API server, Redis or the bucket did not answer: the same request may work later.
    response
      .status(503)
      .set("retry-after", "1")
      .json({ error: "Something that the API needs does not answer; try again." });
  };
}
