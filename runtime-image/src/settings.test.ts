import type { TaskContext } from "@fairlead/protocol/context";
import { expect, it } from "vitest";
import { settingsLine } from "./settings.ts";

const ctx = {
  task: { id: "greet" },
  run: { maxAttempts: 3, maxDuration: 3600 },
  queue: { name: "task/greet" },
  machine: { name: "small-1x" },
} as unknown as TaskContext;

it.each<[string, object, RegExp[]]>([
  [
    "retry",
    { retry: { maxAttempts: 5 } },
    [/retry \{"maxAttempts":5\} \(spec\.retry, this run has \{"maxAttempts":3\}\)/],
  ],
  ["retry with more than the context has", { retry: { maxAttempts: 3, factor: 3 } }, [/retry/]],
  ["queue", { queue: { name: "emails", concurrencyLimit: 1 } }, [/queue .*emails.*task\/greet/]],
  ["machine", { machine: "large-1x" }, [/machine "large-1x" .*"small-1x"/]],
  ["Trigger.dev's form of machine", { machine: { preset: "large-1x" } }, [/machine \{"preset":"large-1x"\}/]],
  ["maxDuration", { maxDuration: 60 }, [/maxDuration 60 \(spec\.maxDurationSeconds, this run has 3600\)/]],
  ["ttl", { ttl: "10m" }, [/ttl "10m" \(spec\.ttlSeconds\)/]],
  ["all of them in one line", { ttl: 1, maxDuration: 60, retry: {} }, [/ttl 1/, /maxDuration 60/, /retry/]],
  ["what cannot be shown", { retry: { n: 1n } }, [/retry object/]],
])("the line names %s in the code", (_what, task, expected) => {
  const line = settingsLine(task, ctx) ?? "";
  for (const part of expected) expect(line).toMatch(part);
  expect(line).toMatch(
    /^task\("greet"\): settings in the code do not count, set them in the Task resource: /,
  );
  expect(line).not.toContain("\n");
});

it.each([
  ["no settings", { id: "greet", run: () => 1 }],
  [
    "those that the run has",
    { maxDuration: 3600, machine: "small-1x", retry: { maxAttempts: 3 }, queue: { name: "task/greet" } },
  ],
  ["those that are undefined", { retry: undefined }],
])("there is no line for a task with %s", (_what, task) => expect(settingsLine(task, ctx)).toBeUndefined());
