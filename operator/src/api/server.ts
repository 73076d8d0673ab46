/**
 * What the API server answers: stateless, any number of replicas. One router per subject; every error is JSON,
 * `{ "error": "a sentence" }`.
 */
import { type ErrorRequestHandler, Router } from "express";
import type { Logger } from "pino";
import { KubeError } from "../kube/client.ts";
import { type EngineDeps, engineRouter } from "./engine.ts";

export type ApiDeps = EngineDeps;

export function apiRouter(deps: ApiDeps): Router {
  const router = Router();
  router.use("/engine/v1", engineRouter(deps));
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
    // body-parser's errors: too large, not JSON, a broken encoding.
    const status: unknown = error?.status;
    if (typeof status === "number" && status >= 400 && status < 500 && !(error instanceof KubeError)) {
      response.status(status).json({ error: String(error.message) });
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
