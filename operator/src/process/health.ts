/**
 * /livez: the process answers and is not stuck. /readyz: it can do its work. /metrics: Prometheus text.
 */
import { type Express, type Request, type Response, Router } from "express";
import type { Registry } from "prom-client";

export interface Health {
  /** Each returns what is wrong, or undefined. */
  alive: () => string | undefined;
  ready: () => string | undefined;
  /** Lines that /readyz adds when it is ready. */
  notes?: () => readonly string[];
  metrics: Registry;
}

/** Of a request as a whole. A body that does not go on is ended long before: api/http/body.ts. */
const requestTimeoutMs = 3_600_000;

export function healthRouter({ alive, ready, notes = () => [], metrics }: Health): Router {
  const router = Router();
  type Check = () => string | undefined;
  const answer = (check: Check, more: () => readonly string[]) => (_: Request, response: Response) => {
    const problem = check();
    response
      .status(problem === undefined ? 200 : 503)
      .type("text/plain")
      .send(`${problem ?? ["ok", ...more()].join("\n")}\n`);
  };
  router.get(
    "/livez",
    answer(alive, () => []),
  );
  router.get("/readyz", answer(ready, notes));
  router.get("/metrics", async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.metrics());
  });
  return router;
}

/** Listens; resolves with the port and a function that closes it, which idle connections do not delay. */
export function listen(app: Express, port: number): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = app.listen(port);
    server.requestTimeout = requestTimeoutMs;
    server.once("error", reject);
    server.once("listening", () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address ? address.port : port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeIdleConnections();
          }),
      });
    });
  });
}
