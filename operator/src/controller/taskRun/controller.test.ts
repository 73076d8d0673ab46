import { runLabel } from "@fairlead/protocol/labels";
import { beforeEach, expect, test } from "vitest";
import type { KubeObject } from "../../kube/resources.ts";
import { keyOf } from "../../kube/resources.ts";
import type { Task, TaskBatch, TaskRun } from "../../model/resources.ts";
import type { Deps } from "../deps.ts";
import { endedRuns, taskRuns } from "./controller.ts";

/** An informer that holds nothing but indexes, and whose changes the test makes. */
class FakeCache {
  readonly found = new Map<string, KubeObject[]>();
  readonly #handlers: ((key: string, before: unknown, after: unknown) => void)[] = [];

  on(_event: "change", handler: (key: string, before: unknown, after: unknown) => void): void {
    this.#handlers.push(handler);
  }

  byIndex(name: string, value: string): KubeObject[] {
    return this.found.get(`${name} ${value}`) ?? [];
  }

  change(before: KubeObject | undefined, after: KubeObject | undefined): void {
    for (const handler of this.#handlers) handler(keyOf(after ?? before ?? {}), before, after);
  }
}

const caches = { runs: new FakeCache(), jobs: new FakeCache(), pods: new FakeCache() };
const others = { tasks: new FakeCache(), batches: new FakeCache() };
const keys: string[] = [];
/** Of the controller that clears up behind runs that have ended. */
const endedKeys: string[] = [];
for (const [controller, list] of [
  [taskRuns, keys],
  [endedRuns, endedKeys],
] as const)
  for (const watch of controller.watches) {
    watch({ ...caches, ...others } as unknown as Deps, {
      subscribe: (informer, handler) => void informer.on("change", handler),
      add: (key) => void list.push(key),
      record: () => undefined,
    });
  }

const meta = (name: string, labels: Record<string, string> = {}) => ({
  name,
  namespace: "n",
  uid: name,
  labels,
});
const run = (name: string): TaskRun => ({ apiVersion: "", kind: "TaskRun", metadata: meta(name), spec: {} });

beforeEach(() => {
  keys.length = 0;
  endedKeys.length = 0;
});

test("a change of a run, of its Job or of its pod brings the run's key", () => {
  caches.runs.change(undefined, run("a"));
  caches.jobs.change(undefined, { metadata: meta("a-1", { [runLabel]: "a" }) });
  caches.pods.change({ metadata: meta("a-1-xyz", { [runLabel]: "a" }) }, undefined);
  caches.pods.change(undefined, { metadata: meta("stray") });
  expect(keys).toEqual(["n/a", "n/a", "n/a"]);
  expect(endedKeys).toEqual(keys);
});

test("a Task brings the runs that wait for its id", () => {
  caches.runs.found.set("missingTask n/mail", [run("a"), run("b")]);
  const task: Task = { apiVersion: "", kind: "Task", metadata: meta("t"), spec: { id: "mail", image: "i" } };
  others.tasks.change(undefined, task);
  expect(keys).toEqual(["n/a", "n/b"]);
});

test("a batch brings its runs once it has finished: they may be retired", () => {
  caches.runs.found.set("batch n/nightly", [run("nightly-0"), run("nightly-1")]);
  const batch: TaskBatch = { apiVersion: "", kind: "TaskBatch", metadata: meta("nightly"), spec: {} };
  const processing: TaskBatch = { ...batch, status: { phase: "Processing" } };
  others.batches.change(batch, processing);
  expect(endedKeys).toEqual([]);
  const completed: TaskBatch = { ...batch, status: { phase: "Completed" } };
  others.batches.change(processing, completed);
  expect(endedKeys).toEqual(["n/nightly-0", "n/nightly-1"]);
  expect(keys).toEqual([]);
});
