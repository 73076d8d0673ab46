import { describe, expect, it } from "vitest";
import { environmentOf, ttlSecondsOf } from "./environment.ts";
import { apiVersion, type Task, type TaskRun } from "./resources.ts";

describe("the environment of a namespace", () => {
  it("the environment of a namespace is prod without a limit when it has no settings", () => {
    expect(environmentOf({})).toEqual({ type: "prod", concurrencyLimit: undefined, problems: [] });
  });

  it("the environment of a namespace is read from its label and annotation", () => {
    const labels = { "fairlead.dev/environment": "dev" };
    const annotations = { "fairlead.dev/concurrency-limit": "5" };
    expect(environmentOf({ labels, annotations })).toEqual({
      type: "dev",
      concurrencyLimit: 5,
      problems: [],
    });
  });

  it.each(["0", "-1", "many", "1.5", "", "9999999"])(
    "has no limit, and a problem, with a limit of %j",
    (text) => {
      const read = environmentOf({ annotations: { "fairlead.dev/concurrency-limit": text } });
      expect(read.concurrencyLimit).toBeUndefined();
      expect(read.problems).toEqual([expect.stringContaining("fairlead.dev/concurrency-limit")]);
    },
  );

  it("the environment of a namespace is prod, and has a problem, with an unknown type", () => {
    const read = environmentOf({ labels: { "fairlead.dev/environment": "test" } });
    expect(read.type).toBe("prod");
    expect(read.problems).toEqual([expect.stringContaining("dev, staging, prod, preview")]);
  });
});

it("the ttl is the run's, else its Task's, else ten minutes in dev; 0 disables it", () => {
  const run = (ttlSeconds?: number): TaskRun => ({
    apiVersion,
    kind: "TaskRun",
    metadata: { name: "r", namespace: "n", uid: "u" },
    spec: { task: "t", ttlSeconds },
  });
  const task = (ttlSeconds?: number): Task => ({
    apiVersion,
    kind: "Task",
    metadata: { name: "t", namespace: "n", uid: "t" },
    spec: { image: "i", ttlSeconds },
  });
  expect(ttlSecondsOf(run(5), task(7), "dev")).toBe(5);
  expect(ttlSecondsOf(run(0), task(7), "dev")).toBe(0);
  expect(ttlSecondsOf(run(), task(7), "dev")).toBe(7);
  expect(ttlSecondsOf(run(), task(0), "dev")).toBe(0);
  expect(ttlSecondsOf(run(), task(), "dev")).toBe(600);
  expect(ttlSecondsOf(run(), undefined, "dev")).toBe(600);
  expect(ttlSecondsOf(run(), task(), "prod")).toBe(0);
});
