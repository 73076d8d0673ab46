/**
 * Every metric of ours, for both processes; docs/operate/metrics.md explains them to users. Names follow
 * Prometheus (counters end in `_total`, units are in the name) and, where there is one, controller-runtime.
 * Node's own metrics come with each registry.
 *
 * Values are read when Prometheus asks: who counts something only counts, and `observe` reads it.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";

interface Metric {
  type: "gauge" | "counter";
  help: string;
  labels: readonly string[];
}

export const metrics = {
  fairlead_runs: { type: "gauge", help: "TaskRuns by phase.", labels: ["phase"] },
  fairlead_workqueue_depth: {
    type: "gauge",
    help: "Resources in a controller's work queue that wait to be reconciled.",
    labels: ["controller"],
  },
  fairlead_reconcile_total: { type: "counter", help: "Reconciliations.", labels: ["controller"] },
  fairlead_reconcile_errors_total: {
    type: "counter",
    help: "Reconciliations that failed; each is repeated after a pause.",
    labels: ["controller"],
  },
  fairlead_events_dropped_total: {
    type: "counter",
    help: "Kubernetes Events that were not recorded: too many at once, too many of one object, or refused.",
    labels: [],
  },
  fairlead_namespaces_refused: {
    type: "gauge",
    help: "Namespaces with TaskRuns that belong to another release, so that this one does nothing in them.",
    labels: [],
  },
  fairlead_admission_closed: {
    type: "gauge",
    help: "1 for each namespace in which no run is admitted now: Redis or the API server does not answer, or refuses.",
    labels: ["namespace"],
  },
  fairlead_slots_granted_total: { type: "counter", help: "Slots granted to runs.", labels: [] },
  fairlead_queue_rebuilds_total: {
    type: "counter",
    help: "Times that a namespace's queues in Redis were rebuilt from its TaskRuns.",
    labels: [],
  },
  fairlead_slot_drift_released_total: {
    type: "counter",
    help: "Slots in Redis that no run held, released by the sweeper.",
    labels: [],
  },
  fairlead_slot_drift_added_total: {
    type: "counter",
    help: "Slots of runs that Redis had lost, added by the sweeper.",
    labels: [],
  },
  fairlead_bucket_objects_deleted_total: {
    type: "counter",
    help: "Objects that the sweeper deleted from the bucket: expired, or left over.",
    labels: [],
  },
  fairlead_bucket_objects_unreadable_total: {
    type: "counter",
    help: "Objects of the bucket that could not be read: not JSON, or not what their key says. Left alone.",
    labels: [],
  },
} as const satisfies Record<`fairlead_${string}`, Metric>;

type MetricName = keyof typeof metrics;
type Label<N extends MetricName> = (typeof metrics)[N]["labels"][number];

/** A value, and the labels that it is of. Values with the same labels are added. */
interface Sample<L extends string> {
  value: number;
  labels: Record<L, string>;
}

export function newRegistry(component: "controller" | "api"): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ component });
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Adds the metric to the registry; `read` is called each time that Prometheus asks. */
export function observe<N extends MetricName>(
  registry: Registry,
  name: N,
  read: () => Iterable<Sample<Label<N>>>,
): void {
  const { type, help, labels }: Metric = metrics[name];
  const Kind = type === "gauge" ? Gauge : Counter;
  new Kind<string>({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset();
      for (const sample of read()) this.inc(sample.labels, sample.value);
    },
  });
}
