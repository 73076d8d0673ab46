import type { IndexedTask, TaskIndex } from "@fairlead/protocol/taskIndex";
import { expect, test } from "vitest";
import type { Defaults } from "../build/manifest.ts";
import { deployedTasks, type Target } from "./deployedTasks.ts";

function deployed(task: Partial<IndexedTask>, defaults: Defaults = {}, target: Target = "deploy") {
  const index = { tasks: [{ id: "t", file: "a/t.mjs", ...task }] } as TaskIndex;
  const [{ id, entry, ...settings } = { id: "", entry: "" }] = deployedTasks(index, defaults, target);
  expect({ id, entry }).toEqual({ id: "t", entry: "a/t.mjs" });
  return settings;
}

const daily = { cron: "0 8 * * *", timezone: "UTC" };

test.each<[string, Partial<IndexedTask>, Defaults, object]>([
  ["nothing said", {}, {}, {}],
  [
    "the code wins over the config",
    { machine: "micro", ttl: 60, maxDuration: 9 },
    { machine: "small-1x", ttl: "1h", maxDuration: 300 },
    { machine: "micro", ttlSeconds: 60, maxDurationSeconds: 9 },
  ],
  [
    "the config's defaults",
    {},
    { machine: "small-1x", ttl: "1h", maxDuration: 300 },
    { machine: "small-1x", ttlSeconds: 3600, maxDurationSeconds: 300 },
  ],
  [
    "retries are merged field by field",
    { retry: { maxAttempts: 1 } },
    { retry: { maxAttempts: 3, factor: 2 } },
    { retry: { maxAttempts: 1, factor: 2 } },
  ],
  [
    "timeout.None is the longest that there is",
    { maxDuration: 2 ** 31 - 1 },
    { maxDuration: 300 },
    { maxDurationSeconds: 31_536_000 },
  ],
  [
    "a queue",
    { queue: { name: "q", concurrencyLimit: 2 } },
    {},
    { queue: { name: "q", concurrencyLimit: 2 } },
  ],
  ["a schedule for everywhere", { schedule: daily }, {}, { schedule: daily }],
  [
    "a schedule for production",
    { schedule: { ...daily, environments: ["PRODUCTION"] } },
    {},
    { schedule: daily },
  ],
  [
    "a schedule for others only",
    { schedule: { ...daily, environments: ["DEVELOPMENT", "STAGING"] } },
    {},
    {},
  ],
])("%s", (_what, task, defaults, expected) => {
  expect(deployed(task, defaults)).toEqual(expected);
});

test("dev has the schedules for development", () => {
  expect(deployed({ schedule: { ...daily, environments: ["DEVELOPMENT"] } }, {}, "dev")).toEqual({
    schedule: daily,
  });
  expect(deployed({ schedule: { ...daily, environments: ["PRODUCTION"] } }, {}, "dev")).toEqual({});
});

test.each<[Partial<IndexedTask>, Defaults, string]>([
  [{ machine: "huge" }, {}, 'task t: machine "huge" is none; it must be micro'],
  [{}, { ttl: "soon" }, 'task t: ttl "soon" is no duration'],
])("%j with %j is refused", (task, defaults, message) => {
  expect(() => deployed(task, defaults)).toThrow(message);
});
