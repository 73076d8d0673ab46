import { expect, test } from "vitest";
import type { TaskRun } from "../model/resources.ts";
import { listHistory, writeHistory } from "./runHistory.ts";
import { withSummaries } from "./summaryCache.ts";
import { testStore } from "./testStore.ts";

const run = (n: number): TaskRun => ({
  apiVersion: "",
  kind: "TaskRun",
  metadata: {
    namespace: "n",
    name: `r-${n}`,
    uid: `u-${n}`,
    creationTimestamp: new Date(n * 1000).toISOString(),
  },
  spec: { task: "t" },
  status: { phase: "Completed", finishedAt: new Date(n * 1000).toISOString() },
});

test("fifty lists that are polled read each summary of history once", async () => {
  const store = testStore(() => 0);
  for (let n = 0; n < 100; n++) await writeHistory(store, run(n));
  const cached = withSummaries(store, 1024 * 1024);
  for (let poll = 0; poll < 50; poll++) {
    const { runs } = await listHistory(cached, "n", { limit: 100 });
    expect(runs).toHaveLength(100);
  }
  expect(store.requests).toMatchObject({ get: 100, list: 50 });
});

test("summaries take no more memory than they may", async () => {
  const store = testStore(() => 0);
  for (let n = 0; n < 20; n++) await writeHistory(store, run(n));
  const cached = withSummaries(store, 2_000);
  for (let poll = 0; poll < 2; poll++) await listHistory(cached, "n", { limit: 20 });
  expect(store.requests.get).toBeGreaterThan(30);
});
