import { originLabel } from "@fairlead/protocol/labels";
import { describe, expect, it } from "vitest";
import { apiVersion, type Task, type TaskQueue, type TaskRun } from "../resources.ts";
import { governing, haveSameSettings, queueNameOf, settingsOf } from "./governing.ts";

const run = (spec: TaskRun["spec"], status?: TaskRun["status"]): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { name: "r", namespace: "n", uid: "u" },
  spec,
  status,
});

const task = (spec: Partial<Task["spec"]>): Task => ({
  apiVersion,
  kind: "Task",
  metadata: { name: "t", namespace: "n", uid: "tu" },
  spec: { image: "i", ...spec },
});

const queue = (
  name: string,
  createdAt: string,
  origin?: string,
  more: Partial<TaskQueue> = {},
): TaskQueue => ({
  apiVersion,
  kind: "TaskQueue",
  metadata: {
    name,
    namespace: "n",
    uid: name,
    creationTimestamp: createdAt,
    labels: origin ? { [originLabel]: origin } : {},
  },
  spec: { name: "q" },
  ...more,
});

describe("the queue of a run", () => {
  const cases: [string, TaskRun, Task | undefined, string][] = [
    ["is what it was admitted in", run({ task: "t", queue: { name: "b" } }, { queue: "a" }), undefined, "a"],
    [
      "is the one named at trigger time",
      run({ task: "t", queue: { name: "b" } }),
      task({ queue: { name: "c" } }),
      "b",
    ],
    ["is its Task's", run({ task: "t" }), task({ queue: { name: "c" } }), "c"],
    ["is its Task's default", run({ task: "my" }), task({ id: "my" }), "task/my"],
    ["is known before its Task is", run({ task: "my" }), undefined, "task/my"],
    [
      "is its Task's when only a limit is given",
      run({ task: "t", queue: { concurrencyLimit: 2 } }),
      task({}),
      "task/t",
    ],
    ["of a container is one for all of them", run({ container: { image: "i" } }), undefined, "container"],
  ];
  it.each(cases)("%s", (_what, one, its, expected) => expect(queueNameOf(one, its)).toBe(expected));
});

describe("the settings of a queue", () => {
  it("a queue without a TaskQueue has no limit and is not paused", () =>
    expect(settingsOf(undefined)).toEqual({ limit: undefined, paused: false }));

  it("each setting comes from the override before the spec", () => {
    const spec = { name: "q", concurrencyLimit: 3, paused: true };
    const set = (override: object) => settingsOf(queue("a", "1", undefined, { spec, status: { override } }));
    expect(set({})).toEqual({ limit: 3, paused: true });
    expect(set({ concurrencyLimit: 7 })).toEqual({ limit: 7, paused: true });
    expect(set({ paused: false })).toEqual({ limit: 3, paused: false });
  });

  it("a declared TaskQueue governs, then the oldest", () => {
    const made = queue("made", "2026-01-01T00:00:00Z", "trigger");
    const late = queue("late", "2026-03-01T00:00:00Z");
    const early = queue("early", "2026-02-01T00:00:00Z");
    expect(governing([made, late, early])?.metadata.name).toBe("early");
    expect(governing([made, queue("task", "2026-02-01T00:00:00Z", "task")])?.metadata.name).toBe("made");
    expect(governing([])).toBeUndefined();
  });
});

const counted = { observedGeneration: 1, running: 1, queued: 2 };

it.each<[what: string, isSame: boolean, more: Partial<TaskQueue>]>([
  ["its counts", true, { status: { running: 9, queued: 0, oldestQueuedAt: "t" } }],
  ["an override that says the same", true, { status: { override: { concurrencyLimit: 3 } } }],
  ["its limit", false, { spec: { concurrencyLimit: 4 } }],
  ["its limit, by an override", false, { status: { override: { concurrencyLimit: 4 } } }],
  ["a pause", false, { status: { override: { paused: true } } }],
  ["its name", false, { spec: { name: "other", concurrencyLimit: 3 } }],
  ["the object itself", false, { metadata: { name: "q", namespace: "n", uid: "another" } }],
])("a change of %s is one of the queue's settings: not %s", (_what, isSame, more) => {
  const before = queue("q", "2026-01-01", undefined, { spec: { concurrencyLimit: 3 }, status: counted });
  expect(haveSameSettings(before, { ...before, ...more })).toBe(isSame);
});
