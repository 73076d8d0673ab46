/** Schedules as a user applies them with kubectl, on the minute of the real clock. */
import { scheduleLabel } from "@fairlead/protocol/labels";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../hack/lib/wait.ts";
import { TaskRuns, TaskSchedules } from "../../operator/src/model/kinds.ts";
import { apiVersion, type TaskRun, type TaskSchedule } from "../../operator/src/model/resources.ts";
import { type Manifest, testTask } from "../support/release/manifests.ts";
import { TestNamespace } from "../support/release/testNamespace.ts";

let ns: TestNamespace;
beforeAll(async () => {
  ns = await TestNamespace.create("schedules");
  await ns.apply(testTask("echo"));
});
afterAll(() => ns?.remove());

const schedule = (name: string, spec: object): Manifest =>
  ({ apiVersion, kind: "TaskSchedule", metadata: { name }, spec: { task: "echo", ...spec } }) as Manifest;

const statusOf = (
  name: string,
  fits: (status: NonNullable<TaskSchedule["status"]>) => boolean,
  timeoutMs = 20_000,
) =>
  waitFor(
    `TaskSchedule ${name}`,
    async () => {
      const status = (await ns.get(TaskSchedules, name))?.status;
      return status && fits(status) ? status : undefined;
    },
    { timeoutMs, intervalMs: 200 },
  );

const runsOf = (name: string): Promise<TaskRun[]> => ns.list(TaskRuns, `${scheduleLabel}=${name}`);

describe("every minute", () => {
  test("a schedule triggers a run whose name and payload hold the tick, as a Task's own schedule does, and a paused one triggers nothing", async () => {
    await ns.apply(
      schedule("minutely", { cron: "* * * * *", timezone: "Europe/Berlin" }),
      schedule("paused", { cron: "* * * * *", paused: true }),
      testTask("sleep", { schedule: { cron: "* * * * *" } }),
    );
    const begun = await statusOf("minutely", (status) => status.upcoming?.length === 5);
    expect(begun).toMatchObject({ active: true, missed: 0 });
    const tick = begun.nextScheduledAt ?? "";
    expect(Date.parse(tick) % 60_000).toBe(0);
    const after = await statusOf("minutely", (status) => status.lastScheduledAt !== undefined, 75_000);
    expect(after.lastScheduledAt).toBe(tick);
    expect(after.lastRun).toBe(`minutely-${Date.parse(tick) / 1000}`);
    const done = await ns.untilFinished(after.lastRun ?? "");
    expect(done).toMatchObject({
      phase: "Completed",
      output: { timestamp: tick, timezone: "Europe/Berlin" },
    });
    expect((await runsOf("minutely")).length).toBeLessThanOrEqual(2);
    expect(await statusOf("paused", (status) => status.active === false)).not.toHaveProperty(
      "nextScheduledAt",
    );
    expect(await runsOf("paused")).toEqual([]);
    const own = await statusOf("sleep-schedule", (status) => status.lastRun !== undefined);
    expect(own.active).toBe(true);
    const table = await ns.kubectl("get", "taskschedules");
    expect(table).toMatch(/NAME\s+TASK\s+CRON\s+ZONE\s+ACTIVE\s+LAST\s+NEXT\s+AGE/);
    expect(table).toMatch(/minutely\s+echo\s+\* \* \* \* \*\s+Europe\/Berlin\s+true/);
  });

  test("a Task's own schedule is deleted when the Task no longer declares it", async () => {
    await ns.apply(testTask("sleep"));
    await waitFor(
      "the Task's schedule is deleted",
      async () => (await ns.get(TaskSchedules, "sleep-schedule")) === undefined,
      { timeoutMs: 20_000 },
    );
  });
});

test("a schedule of a Task that is missing says so and creates no runs", async () => {
  await ns.apply(schedule("early", { task: "not-yet", cron: "* * * * *" }));
  const status = await statusOf("early", ({ conditions }) => conditions?.[0]?.status === "False");
  expect(status.conditions?.[0]).toMatchObject({ type: "Ready", reason: "TaskNotFound" });
  await waitFor(
    "an Event",
    async () => (await ns.kubectl("events", "--for=TaskSchedule/early")).includes("TaskNotFound"),
    {
      timeoutMs: 20_000,
    },
  );
  expect(await runsOf("early")).toEqual([]);
  await ns.apply(testTask("not-yet"));
  await statusOf("early", ({ conditions }) => conditions?.[0]?.status === "True");
});

describe("an invalid schedule", () => {
  test.each([
    ["six fields", { cron: "* * * * * *" }, /spec\.cron.*must have five fields/s],
    ["words", { cron: "every monday" }, /spec\.cron.*must have five fields/s],
    ["a zone that cannot be", { cron: "@daily", timezone: "not a zone" }, /spec\.timezone.*IANA time zone/s],
  ])("a schedule with %s is refused by the API server", async (_what, spec, message) => {
    expect(await ns.applyRefused(schedule("nonsense", spec))).toMatch(message);
  });

  test.each([
    ["value", { cron: "61 * * * *" }, "InvalidCron", /spec\.cron.*minute: 61/],
    ["never", { cron: "0 0 30 2 *" }, "InvalidCron", /never matches/],
    ["zone", { cron: "@daily", timezone: "Mars/Base" }, "UnknownTimezone", /spec\.timezone.*Mars\/Base/],
  ])(
    "the schedule %s reports that it is invalid and triggers nothing",
    async (name, spec, reason, message) => {
      await ns.apply(schedule(name, spec));
      const status = await statusOf(name, ({ conditions }) => conditions?.[0]?.status === "False");
      expect(status.active).toBe(false);
      expect(status.conditions?.[0]).toMatchObject({
        type: "Ready",
        reason,
        message: expect.stringMatching(message),
      });
      expect(await ns.kubectl("get", "taskschedule", name)).toMatch(
        new RegExp(`AGE\\s+REASON\\s[^]*\\s${reason}\\s`),
      );
    },
  );
});
