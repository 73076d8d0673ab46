import { describe, expect, it } from "vitest";
import { apiVersion, type TaskSchedule, type TaskScheduleStatus } from "../../model/resources.ts";
import { eventsOfSchedule } from "./scheduleEvents.ts";

const schedule = (status?: TaskScheduleStatus): TaskSchedule => ({
  apiVersion,
  kind: "TaskSchedule",
  metadata: { name: "s", namespace: "n", uid: "u" },
  spec: { task: "t", cron: "0 2 * * *" },
  status,
});
const ready = (status: "True" | "False", reason: string, message: string) => ({
  conditions: [{ type: "Ready", status, reason, message, lastTransitionTime: "2026-01-01T00:00:00Z" }],
});
const active = ready("True", "Active", "Triggers.");
const invalid = ready("False", "InvalidCron", "spec.cron: no");

describe("the Events of a schedule", () => {
  it.each([
    ["an invalid one", {}, invalid, [{ type: "Warning", reason: "InvalidCron", message: "spec.cron: no" }]],
    ["one that is mended", invalid, active, [{ type: "Normal", reason: "Active", message: "Triggers." }]],
    ["a valid one", undefined, active, []],
    ["the same state", invalid, invalid, []],
    [
      "skipped ticks",
      { ...active, missed: 1 },
      { ...active, missed: 3 },
      [
        {
          type: "Warning",
          reason: "TicksMissed",
          message: "2 ticks were skipped: too late (catchUp is none), or their name was taken.",
        },
      ],
    ],
  ])("%s", (_what, before, after, events) =>
    expect(eventsOfSchedule(schedule(before), schedule(after as TaskScheduleStatus))).toEqual(events),
  );

  it("a new leader does not repeat the Event", () =>
    expect(eventsOfSchedule(undefined, schedule(invalid as TaskScheduleStatus))).toEqual([]));
});
