/**
 * TaskSchedule: triggers a task at the times of a cron expression. Each time (tick) becomes one TaskRun whose
 * name holds it, so that no tick runs twice. What the API changes (deactivate, activate) goes to
 * `status.override`.
 */
import { z } from "zod";
import { anyJson, conditions, rules, seconds, taskId, text, time } from "./common.ts";

const shorthands = "@(hourly|daily|midnight|weekly|monthly|yearly|annually)";

/** Refuses what is obviously not an expression; the controller finds out whether it ever has a next time. */
export const cronExpression = () =>
  rules(
    text(128, 1).describe(
      "Five-field cron expression (minute, hour, day of month, month, day of week) or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually.",
    ),
    {
      rule: `self.matches('^(${shorthands}|[0-9A-Za-z*,/?#L-]+( +[0-9A-Za-z*,/?#L-]+){4})$')`,
      message:
        "must have five fields, such as 0 9 * * MON-FRI (minute, hour, day of month, month, day of week), or be @hourly, @daily, @weekly, @monthly or @yearly",
    },
  );

export const timezone = () =>
  rules(text(64, 1).describe("IANA time zone that the expression is read in. Default UTC."), {
    rule: "self.matches('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$')",
    message: "must be an IANA time zone, such as Europe/Berlin or UTC",
  });

const catchUpPolicies = ["none", "last", "all"] as const;

export const taskScheduleSpec = rules(
  z.object({
    task: taskId().describe("Id of the Task to trigger, in the same namespace."),
    cron: cronExpression(),
    timezone: timezone().optional(),
    payload: anyJson()
      .optional()
      .describe(
        "What each run gets. Default: the tick: timestamp, lastTimestamp, timezone, scheduleId, externalId, upcoming.",
      ),
    externalId: text(128, 1).optional().describe("An id of yours that each run gets in its payload."),
    deduplicationKey: text(128, 1).optional().describe("Identifies a schedule that the API made."),
    catchUp: z
      .enum(catchUpPolicies)
      .optional()
      .describe(
        "What happens to ticks that passed while no controller ran: none skips them, last triggers the latest, all triggers each, at most catchUpLimit. A tick is on time until a tenth of the time to the next one has passed, from two minutes to an hour. Default none.",
      ),
    catchUpLimit: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe("With catchUp all: the most ticks that are triggered late, the latest ones. Default 100."),
    ttlSeconds: seconds(0)
      .optional()
      .describe("Seconds that a run may wait in its queue before it is Expired. Default: the Task's."),
    paused: z.boolean().optional().describe("Triggers nothing while true. Default false."),
  }),
  {
    rule: "self.task == oldSelf.task",
    message: "task cannot change after the schedule was created: create another TaskSchedule",
    fieldPath: ".task",
    reason: "FieldValueForbidden",
  },
);

export const taskScheduleStatus = z.object({
  observedGeneration: z.int().optional().describe("metadata.generation that this status speaks of."),
  override: z
    .object({
      active: z.boolean().optional().describe("Used instead of spec.paused: false pauses."),
      at: time().optional().describe("When it was set."),
    })
    .optional()
    .describe("What the API set; wins over spec until it is reset."),
  active: z.boolean().optional().describe("Whether it triggers, by spec or override."),
  expression: text(256).optional().describe("Expression and time zone in force."),
  checkedAt: time()
    .optional()
    .describe("Ticks up to this time are settled: each was triggered or skipped for good."),
  lastScheduledAt: time().optional().describe("The last tick that was triggered."),
  lastRun: text(63).optional().describe("Name of the TaskRun of that tick."),
  nextScheduledAt: time().optional().describe("The next tick."),
  upcoming: z.array(time()).max(10).optional().describe("The next five ticks."),
  missed: z
    .int()
    .optional()
    .describe("Ticks that were skipped since the schedule was created, or whose name was taken."),
  conditions: conditions().optional(),
});

export type TaskScheduleSpec = z.infer<typeof taskScheduleSpec>;
export type TaskScheduleStatus = z.infer<typeof taskScheduleStatus>;
