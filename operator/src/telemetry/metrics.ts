/**
 * What both servers tell Prometheus about themselves; the reconcilers' own numbers are added where they are
 * made.
 */
import { collectDefaultMetrics, Registry } from "prom-client";

export function newMetrics(component: "controller" | "api"): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ component });
  collectDefaultMetrics({ register: registry });
  return registry;
}
