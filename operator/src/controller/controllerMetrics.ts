/** What the controller tells Prometheus: runs by phase, its work queue, and the slots. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Deps } from "./deps.ts";

export function measureController(registry: Registry, { runs, queue, admission }: Deps): void {
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
  new Gauge({
    name: "fairlead_queue_depth",
    help: "Keys that wait to be reconciled.",
    registers,
    collect() {
      this.set(queue.depth);
    },
  });
  const total = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  total("fairlead_reconciles_total", "Reconciliations of TaskRuns.", () => queue.processed);
  total("fairlead_reconcile_retries_total", "Reconciliations that failed.", () => queue.retries);
  total("fairlead_slots_granted_total", "Slots given to runs.", () => admission.stats().grants);
  total(
    "fairlead_queue_rebuilds_total",
    "Times that a namespace's queues in Redis were rebuilt from its TaskRuns.",
    () => admission.stats().rebuilds,
  );
  total(
    "fairlead_slot_drift_released_total",
    "Slots in Redis that no run held, released by the sweeper.",
    () => admission.stats().driftReleased,
  );
  total(
    "fairlead_slot_drift_added_total",
    "Slots of runs that Redis had lost, added by the sweeper.",
    () => admission.stats().driftAdded,
  );
}
