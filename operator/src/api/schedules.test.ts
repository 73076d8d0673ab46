import { describe, expect, it } from "vitest";
import { environments } from "../model/environment.ts";
import { apiVersion, type TaskSchedule } from "../model/resources.ts";
import { scheduleObject } from "./schedules.ts";

const schedule: TaskSchedule = {
  apiVersion,
  kind: "TaskSchedule",
  metadata: { name: "nightly", namespace: "shop", uid: "u" },
  spec: { task: "report", cron: "0 3 * * *" },
};
const now = Date.UTC(2026, 0, 1);

describe("a schedule as clients read it", () => {
  it.each([
    ["dev", "DEVELOPMENT"],
    ["staging", "STAGING"],
    ["prod", "PRODUCTION"],
    ["preview", "PREVIEW"],
  ] as const)("a schedule of a %s namespace is of the environment %s", (environment, type) =>
    expect(scheduleObject(schedule, environment, now).environments).toEqual([{ id: "shop", type }]),
  );

  it("every environment has a word of Trigger.dev's", () => {
    for (const type of environments)
      expect(scheduleObject(schedule, type, now).environments[0]?.type).toMatch(/^[A-Z]+$/);
  });

  it("its next run is the next time of its expression, and none when the expression is wrong", () => {
    expect(scheduleObject(schedule, "prod", now).nextRun).toBe("2026-01-01T03:00:00.000Z");
    const wrong = { ...schedule, spec: { ...schedule.spec, cron: "never" } };
    expect(scheduleObject(wrong, "prod", now).nextRun).toBeUndefined();
  });
});
