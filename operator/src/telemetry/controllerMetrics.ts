/** What the controller's metrics are read from. */
import type { Registry } from "prom-client";
import { observe } from "./metrics.ts";

interface ControllerSources {
  runs: { list(): Iterable<{ status?: { phase?: string } }> };
  manager: {
    stats(): readonly { controller: string; depth: number; reconciles: number; errors: number }[];
    readonly eventsDropped: number;
  };
  owners: { refusals(): readonly string[] };
  admission: {
    /** Counted since the process began. */
    allClosed(): readonly [namespace: string, unknown][];
    stats(): { grants: number; rebuilds: number; driftReleased: number; driftAdded: number };
  };
  sweepStats: { readonly deleted: number };
  store: { readonly unreadable: number };
}

export function observeController(
  registry: Registry,
  { runs, manager, admission, owners, sweepStats, store }: ControllerSources,
): void {
  const single = (value: number) => [{ value, labels: {} }];
  const byController = (value: "depth" | "reconciles" | "errors") =>
    manager.stats().map((stats) => ({ value: stats[value], labels: { controller: stats.controller } }));

  observe(registry, "fairlead_runs", function* () {
    for (const { status } of runs.list()) yield { value: 1, labels: { phase: status?.phase ?? "New" } };
  });
  observe(registry, "fairlead_workqueue_depth", () => byController("depth"));
  observe(registry, "fairlead_reconcile_total", () => byController("reconciles"));
  observe(registry, "fairlead_reconcile_errors_total", () => byController("errors"));
  observe(registry, "fairlead_events_dropped_total", () => single(manager.eventsDropped));
  observe(registry, "fairlead_namespaces_refused", () => single(owners.refusals().length));
  observe(registry, "fairlead_admission_closed", () =>
    admission.allClosed().map(([namespace]) => ({ value: 1, labels: { namespace } })),
  );
  observe(registry, "fairlead_slots_granted_total", () => single(admission.stats().grants));
  observe(registry, "fairlead_queue_rebuilds_total", () => single(admission.stats().rebuilds));
  observe(registry, "fairlead_slot_drift_released_total", () => single(admission.stats().driftReleased));
  observe(registry, "fairlead_slot_drift_added_total", () => single(admission.stats().driftAdded));
  observe(registry, "fairlead_bucket_objects_deleted_total", () => single(sweepStats.deleted));
  observe(registry, "fairlead_bucket_objects_unreadable_total", () => single(store.unreadable));
}
