import { describe, expect, it } from "vitest";
import { settingsLine } from "./settings.ts";

const run = {
  ctx: {
    task: { id: "greet" },
    run: { maxAttempts: 3, maxDuration: 3600 },
    queue: { name: "task/greet" },
    machine: { name: "small-1x" },
  },
  retry: { maxAttempts: 3, factor: 2, minTimeoutInMs: 1000, maxTimeoutInMs: 60_000, randomize: true },
} as unknown as Parameters<typeof settingsLine>[1];

describe("the line about settings", () => {
  it.each<[string, object, string]>([
    ["attempts", { retry: { maxAttempts: 5 } }, "spec.retry.maxAttempts: 5 in the code, 3 in this run"],
    ["another policy", { retry: { maxAttempts: 3, factor: 3 } }, "spec.retry.factor: 3 in the code, 2 in"],
    [
      "a machine for out of memory",
      { retry: { outOfMemory: { machine: "large-1x" } } },
      'spec.retry.outOfMemory.machine: "large-1x" in the code, "none" in',
    ],
    ["a queue", { queue: { name: "emails" } }, 'spec.queue.name: "emails" in the code, "task/greet" in'],
    ["a machine", { machine: "large-1x" }, 'spec.machine: "large-1x" in the code, "small-1x" in'],
    ["a preset", { machine: { preset: "large-1x" } }, 'spec.machine: "large-1x" in the code, "small-1x" in'],
    ["a duration", { maxDuration: 60 }, "spec.maxDurationSeconds: 60 in the code, 3600 in"],
    ["what cannot be shown", { maxDuration: 1n }, "spec.maxDurationSeconds: bigint in the code"],
  ])("names %s that the code has and the run has not", (_what, task, part) => {
    const line = settingsLine(task, run) ?? "";
    expect(line).toMatch(/^task\("greet"\): the Task resource and the trigger count, not the code: /);
    expect(line).toContain(part);
  });

  it("names all of them in one line", () => {
    const line = settingsLine({ retry: { maxAttempts: 5 }, maxDuration: 60, machine: "micro" }, run) ?? "";
    expect(line.match(/in the code/g)).toHaveLength(3);
    expect(line).not.toContain("\n");
  });

  it.each<[string, object]>([
    ["no settings", {}],
    [
      "those that the run has",
      { maxDuration: 3600, machine: "small-1x", retry: { maxAttempts: 3 }, queue: { name: "task/greet" } },
    ],
    ["the defaults that Trigger.dev's SDK adds", { retry: { ...run.retry, unknown: 1 } }],
    ["a queue of its own without a name", { queue: { concurrencyLimit: 1 } }],
    ["those that are undefined", { retry: undefined, machine: undefined }],
  ])("is not there for a task with %s", (_what, task) => {
    expect(settingsLine(task, run)).toBeUndefined();
  });
});
