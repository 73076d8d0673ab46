/**
 * A TaskSchedule: its due ticks become TaskRuns, and its status names the next ones.
 *
 * - A tick's run has the tick in its name, so the API server refuses to create it twice. Runs are created
 *   first and the status is written after them: after a crash in between, the ticks are found again and their
 *   runs exist.
 * - Ticks of a time in which the schedule was paused, or had another expression, are not triggered.
 */
import { scheduleId } from "@fairlead/protocol/ids";
import { originLabel, scheduleLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import { again, at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { replaceStatus } from "../../kube/status.ts";
import { setCondition, type WantedCondition } from "../../model/conditions.ts";
import { TaskRuns, TaskSchedules } from "../../model/kinds.ts";
import { apiVersion, type TaskSchedule, type TaskScheduleStatus } from "../../model/resources.ts";
import { CronExpression, CronProblem } from "../../model/schedule/cron.ts";
import { planTicks } from "../../model/schedule/ticks.ts";
import { type Deps, isoNow } from "../deps.ts";

export type ScheduleDeps = Pick<Deps, "client" | "schedules" | "clock">;

const upcomingCount = 5;

export async function reconcileTaskSchedule(deps: ScheduleDeps, key: string): Promise<Requeue> {
  const [namespace, name] = splitKey(key);
  const schedule = deps.schedules.get(namespace, name);
  if (!schedule || schedule.metadata.deletionTimestamp) return done;
  let cron: CronExpression;
  try {
    cron = new CronExpression(schedule.spec.cron, schedule.spec.timezone);
  } catch (error) {
    if (!(error instanceof CronProblem)) throw error;
    const { checkedAt, lastScheduledAt, lastRun, missed, override, conditions } = schedule.status ?? {};
    const kept = { checkedAt, lastScheduledAt, lastRun, missed, override, conditions };
    const invalid = { isTrue: false, reason: error.reason, message: error.message };
    await writeStatus(deps, schedule, { ...kept, active: false }, invalid);
    return done;
  }
  if (schedule.status?.override?.active ?? !schedule.spec.paused) return trigger(deps, schedule, cron);
  const { nextScheduledAt: _next, upcoming: _upcoming, ...kept } = schedule.status ?? {};
  const paused = { isTrue: true, reason: "Paused", message: "Triggers nothing until it is resumed." };
  await writeStatus(deps, schedule, { ...kept, active: false }, paused);
  return done;
}

/** Triggers the ticks that are due; wants to look again at the next one. */
async function trigger(deps: ScheduleDeps, schedule: TaskSchedule, cron: CronExpression): Promise<Requeue> {
  const { spec, status = {} } = schedule;
  const now = deps.clock();
  const plan = planTicks(cron, settledUntil(schedule, now), now, spec);
  let last = status.lastScheduledAt;
  for (const tick of plan.due) {
    await createTickRun(deps, schedule, cron, tick, last);
    last = iso(tick);
  }
  const upcoming = cron.after(now, upcomingCount).map(iso);
  const missed = (status.missed ?? 0) + plan.missed;
  // What did not change is not written again and again: between two ticks nothing is.
  const isNews =
    plan.due.length > 0 || plan.missed > 0 || status.checkedAt === undefined || isReset(schedule);
  const next: TaskScheduleStatus = {
    ...status,
    expression: expressionOf(schedule),
    active: true,
    checkedAt: isNews ? iso(plan.settledMs) : status.checkedAt,
    lastScheduledAt: last,
    lastRun: last === status.lastScheduledAt ? status.lastRun : runName(schedule, Date.parse(last ?? "")),
    nextScheduledAt: upcoming[0],
    upcoming,
    missed,
  };
  const active = { isTrue: true, reason: "Active", message: "Triggers at the times of its expression." };
  await writeStatus(deps, schedule, next, active);
  if (plan.more) return again;
  return upcoming[0] ? at(Date.parse(upcoming[0])) : done;
}

/** From when its ticks count: for a new schedule its creation, for a changed or resumed one now. */
function settledUntil(schedule: TaskSchedule, nowMs: number): number {
  const { checkedAt } = schedule.status ?? {};
  if (isReset(schedule)) return nowMs;
  return Date.parse(checkedAt ?? schedule.metadata.creationTimestamp ?? "");
}

function isReset(schedule: TaskSchedule): boolean {
  const { active, expression } = schedule.status ?? {};
  return active === false || (expression !== undefined && expression !== expressionOf(schedule));
}

const expressionOf = ({ spec }: TaskSchedule): string => `${spec.cron} ${spec.timezone ?? "UTC"}`;

const iso = (ms: number): string => new Date(ms).toISOString();

const runName = (schedule: TaskSchedule, tick: number): string =>
  `${schedule.metadata.name}-${Math.floor(tick / 1000)}`;

async function createTickRun(
  deps: ScheduleDeps,
  schedule: TaskSchedule,
  cron: CronExpression,
  tick: number,
  last: string | undefined,
): Promise<void> {
  const { namespace, name } = schedule.metadata;
  const { task, payload, ttlSeconds } = schedule.spec;
  const run = {
    apiVersion,
    kind: "TaskRun",
    metadata: {
      name: runName(schedule, tick),
      namespace,
      labels: { [originLabel]: "schedule", [scheduleLabel]: name },
    },
    spec: {
      task,
      ttlSeconds,
      schedule: { name, at: iso(tick) },
      payload: payload ?? tickPayload(schedule, cron, tick, last),
    },
  };
  try {
    await deps.client.create(TaskRuns, namespace, run);
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
}

/** The payload of a run whose schedule names none: Trigger.dev's shape. */
function tickPayload(schedule: TaskSchedule, cron: CronExpression, tick: number, last: string | undefined) {
  return {
    type: schedule.metadata.labels?.[originLabel] === "task" ? "DECLARATIVE" : "IMPERATIVE",
    timestamp: iso(tick),
    lastTimestamp: last,
    timezone: schedule.spec.timezone ?? "UTC",
    scheduleId: scheduleId(schedule.metadata.name),
    externalId: schedule.spec.externalId,
    upcoming: cron.after(tick, 10).map(iso),
  };
}

/** A status that is there already is not written: between two ticks nothing is. */
async function writeStatus(
  deps: ScheduleDeps,
  schedule: TaskSchedule,
  status: TaskScheduleStatus,
  ready: Omit<WantedCondition, "type">,
): Promise<void> {
  const { generation } = schedule.metadata;
  const conditions = setCondition(status.conditions, { type: "Ready", ...ready }, isoNow(deps), generation);
  const next = { ...status, observedGeneration: generation, conditions };
  await replaceStatus(deps.client, deps.schedules, TaskSchedules, schedule, next);
}
