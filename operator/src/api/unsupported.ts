/**
 * Calls of Trigger.dev's API that Fairlead does not support: 404, with a message that names the feature and,
 * where there is one, what to use instead. Clients do not retry such a call. Any other unknown path is a
 * plain 404.
 */
import { Router } from "express";
import { notFound, Problem } from "./http/problem.ts";

/** Prefixes of paths. */
const calls: readonly [path: string, what: string, instead?: string][] = [
  ["/api/v1/bulk-actions", "bulk actions", "cancel or replay the runs of a list one by one"],
  ["/api/v1/concurrency-limits", "named concurrency limits", "a queue's concurrencyLimit is the limit"],
  ["/api/v1/deployments", "deployments", "a Task is deployed with kubectl; its status names its version"],
  ["/api/v1/projects/", "calls by project but for environment variables", "the key names the namespace"],
  ["/api/v1/query", "queries", "list runs with filters"],
  ["/api/v1/prompts", "prompts"],
  ["/api/v1/sessions", "sessions"],
  ["/api/v1/webhooks", "webhooks"],
  ["/api/v1/reports", "reports"],
  ["/realtime/v1/streams", "streams"],
  [
    "/realtime/v1",
    "the official client's realtime calls",
    "poll the run, or follow it with @fairlead/sdk's runs.subscribe",
  ],
];

const ofRuns = /^\/api\/v1\/runs\/[^/]+\/(trace|events|spans|input-streams|session-streams)(\/|$)/;

export function unsupportedRouter(): Router {
  const router = Router();
  router.use(({ method, path }) => {
    const part = ofRuns.exec(path)?.[1];
    const known = calls.find(([prefix]) => path.startsWith(prefix));
    const [, what, instead] = part ? ["", `a run's ${part}`] : (known ?? []);
    if (!what) throw notFound(`${method} ${path.slice(0, 200)}`);
    const hint = instead ? `: ${instead}` : "";
    throw new Problem(404, `Fairlead does not offer ${what}${hint}`, { retry: false });
  });
  return router;
}
