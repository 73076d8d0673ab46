/** What the controller reports to Prometheus: runs by phase, its work queues, its Events, and the slots. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { ControllerStats } from "../kube/manager/manager.ts";
import type { Deps } from "./deps.ts";

interface ManagerStats {
  stats(): ControllerStats[];
  readonly eventsDropped: number;
}

export function measureController(
  registry: Registry,
  { runs, admission }: Pick<Deps, "runs" | "admission">,
  manager: ManagerStats,
): void {
  const registers = [registry];
  new Gauge({
    name: "fairlead_runs",
    help: "TaskRuns by phase.",
    labelNames: ["phase"],
    registers,
    collect() {
      this.reset();
      for (const run of runs.list()) this.inc({ phase: run.status?.phase ?? "New" });
    },
  });
  const labelNames = ["controller"] as const;
  new Gauge({
    name: "fairlead_workqueue_depth",
    help: "Keys in a controller's work queue that wait to be reconciled.",
    labelNames,
    registers,
    collect() {
      for (const { controller, depth } of manager.stats()) this.set({ controller }, depth);
    },
  });
  const byController = (name: string, help: string, count: (stats: ControllerStats) => number) =>
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const stats of manager.stats()) this.inc({ controller: stats.controller }, count(stats));
      },
    });
  byController("fairlead_reconcile_total", "Reconciliations.", ({ reconciles }) => reconciles);
  byController("fairlead_reconcile_errors_total", "Reconciliations that failed.", ({ errors }) => errors);
  const plain = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  plain("fairlead_events_dropped_total", "Events that could not be recorded.", () => manager.eventsDropped);
  plain("fairlead_slots_granted_total", "Slots granted to runs.", () => admission.stats().grants);
  plain(
    "fairlead_queue_rebuilds_total",
    "Times that a namespace's queues in Redis were rebuilt from its TaskRuns.",
    () => admission.stats().rebuilds,
  );
  plain(
    "fairlead_slot_drift_released_total",
    "Slots in Redis that no run held, released by the sweeper.",
    () => admission.stats().driftReleased,
  );
  plain(
    "fairlead_slot_drift_added_total",
    "Slots of runs that Redis had lost, added by the sweeper.",
    () => admission.stats().driftAdded,
  );
}
