import { originLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import { apiVersion, type TaskRun } from "../../model/resources.ts";
import { retirementDue } from "./retention.ts";

const ended = Date.parse("2026-01-01T00:00:00Z");
const config = { retentionSeconds: 3600 };

function run(origin: string | undefined, ttl?: number, captured = "True"): TaskRun {
  return {
    apiVersion,
    kind: "TaskRun",
    metadata: { name: "r", namespace: "n", uid: "u", labels: origin ? { [originLabel]: origin } : {} },
    spec: { task: "t", ttlSecondsAfterFinished: ttl },
    status: {
      phase: "Completed",
      finishedAt: new Date(ended).toISOString(),
      conditions: [
        { type: "Captured", status: captured as "True", reason: "", message: "", lastTransitionTime: "" },
      ],
    },
  };
}

test("what API, batch and schedule made is retired after a time; what was applied stays unless it says otherwise", () => {
  for (const origin of ["api", "batch", "schedule"]) {
    expect(retirementDue(run(origin), config)).toBe(ended + 3_600_000);
  }
  expect(retirementDue(run("api", 10), config)).toBe(ended + 10_000);
  expect(retirementDue(run(undefined), config)).toBeUndefined();
  expect(retirementDue(run(undefined, 0), config)).toBe(ended);
});

test("nothing is retired before it has ended and its logs are stored", () => {
  expect(retirementDue(run("api", 0, "False"), config)).toBeUndefined();
  expect(retirementDue({ ...run("api", 0), status: { phase: "Executing" } }, config)).toBeUndefined();
});
