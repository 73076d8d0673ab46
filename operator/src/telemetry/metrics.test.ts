import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { observeController } from "./controllerMetrics.ts";
import { metrics, newRegistry } from "./metrics.ts";

const page = join(import.meta.dirname, "../../../docs/operate/metrics.md");

test("the page for operators has a row for each metric, with its type and labels", () => {
  const rows = readFileSync(page, "utf8").matchAll(/^\| `(fairlead_\w+)(?:\{(.*?)\})?` +\| (\w+) /gm);
  const documented = [...rows].map(([, name, labels = "", type]) => ({ name, labels, type }));
  const catalogue = Object.entries(metrics).map(([name, { labels, type }]) => ({
    name,
    labels: labels.join(","),
    type,
  }));
  expect(documented).toEqual(catalogue);
});

test("the name of a counter ends in _total, that of a gauge does not", () => {
  for (const [name, { type }] of Object.entries(metrics))
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
});

test("the controller has every metric of the catalogue, and values are read on each request", async () => {
  const registry = newRegistry("controller");
  const runs = [{ status: { phase: "Queued" } }, {}, { status: { phase: "Queued" } }];
  const stats = { controller: "taskRun", depth: 2, reconciles: 5, errors: 1 };
  const slots = { grants: 7, rebuilds: 1, driftReleased: 0, driftAdded: 0 };
  const sweepStats = { deleted: 1 };
  const manager = { stats: () => [stats], eventsDropped: 3 };
  observeController(registry, {
    runs: { list: () => runs },
    manager,
    owners: { refusals: () => ["one"] },
    admission: { stats: () => slots, allClosed: () => [["team-a", {}]] },
    sweepStats,
    store: { unreadable: 2 },
  });

  const first = await registry.metrics();
  for (const name of Object.keys(metrics)) expect(first).toContain(`# TYPE ${name} `);
  expect(first).toContain('fairlead_runs{phase="Queued",component="controller"} 2');
  expect(first).toContain('fairlead_runs{phase="New",component="controller"} 1');
  expect(first).toContain('fairlead_workqueue_depth{controller="taskRun",component="controller"} 2');
  expect(first).toContain('fairlead_admission_closed{namespace="team-a",component="controller"} 1');
  expect(first).toContain('fairlead_events_dropped_total{component="controller"} 3');

  runs.length = 1;
  stats.reconciles = 6;
  const second = await registry.metrics();
  expect(second).toContain('fairlead_runs{phase="Queued",component="controller"} 1');
  expect(second).not.toContain('phase="New"');
  expect(second).toContain('fairlead_reconcile_total{controller="taskRun",component="controller"} 6');
});
