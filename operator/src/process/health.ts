/**
 * /livez: the process answers and is not stuck. /readyz: it can do its work. /metrics: Prometheus text.
 */
import { type Express, type Request, type Response, Router } from "express";
import type { Registry } from "prom-client";

export interface Health {
  /** Each returns what is wrong, or undefined. */
  alive: () => string | undefined;
  ready: () => string | undefined;
  metrics: Registry;
}

export function healthRouter({ alive, ready, metrics }: Health): Router {
  const router = Router();
  const answer = (check: () => string | undefined) => (_request: Request, response: Response) => {
    const problem = check();
    response
      .status(problem === undefined ? 200 : 503)
      .type("text/plain")
      .send(`${problem ?? "ok"}\n`);
  };
  router.get("/livez", answer(alive));
  router.get("/readyz", answer(ready));
  router.get("/metrics", async (_request, response) => {
    response.type(metrics.contentType).send(await metrics.metrics());
  });
  return router;
}

/** Listens; resolves with the port and a function that closes it, which idle connections do not delay. */
export function listen(app: Express, port: number): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = app.listen(port);
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
