/**
 * A TaskSchedule: its due ticks become TaskRuns, its status tells the next ones.
 *
 * A tick's run has the tick in its name, so that creating it again is refused by the API server. Runs are created
 * first and the status is written after them: whoever dies in between leaves ticks that are found again, and runs that
 * are there already. Ticks of a time in which the schedule was paused, or had another expression, are nobody's.
 */

import { isDeepStrictEqual } from "node:util";
import { scheduleId } from "@fairlead/protocol/ids";
import { originLabel, scheduleLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import { TaskRuns, TaskSchedules } from "../../model/kinds.ts";
import { apiVersion, type TaskSchedule, type TaskScheduleStatus } from "../../model/resources.ts";
import { CronExpression, CronProblem } from "../../model/schedule/cron.ts";
import { planTicks } from "../../model/schedule/ticks.ts";
import { type Deps, isoNow, splitKey } from "../deps.ts";

type ScheduleDeps = Pick<Deps, "client" | "schedules" | "scheduleQueue" | "clock" | "log">;
type Condition = NonNullable<TaskScheduleStatus["conditions"]>[number];

const upcomingCount = 5;

export async function reconcileSchedule(deps: ScheduleDeps, key: string): Promise<void> {
  const [namespace, name] = splitKey(key);
  const schedule = deps.schedules.get(namespace, name);
  if (!schedule || schedule.metadata.deletionTimestamp) return;
  let cron: CronExpression;
  try {
    cron = new CronExpression(schedule.spec.cron, schedule.spec.timezone);
  } catch (error) {
    if (!(error instanceof CronProblem)) throw error;
    const { checkedAt, lastScheduledAt, lastRun, missed, override } = schedule.status ?? {};
    const known = { checkedAt, lastScheduledAt, lastRun, missed, override };
    const ready = readiness(schedule, deps, false, error.reason, error.message);
    return writeStatus(deps, schedule, { ...known, active: false, conditions: [ready] });
  }
  const isActive = schedule.status?.override?.active ?? !schedule.spec.paused;
  if (isActive) await trigger(deps, schedule, cron);
  else {
    const ready = readiness(schedule, deps, true, "Paused", "Triggers nothing until it is resumed.");
    const { nextScheduledAt: _next, upcoming: _upcoming, ...known } = schedule.status ?? {};
    await writeStatus(deps, schedule, { ...known, active: false, conditions: [ready] });
  }
}

async function trigger(deps: ScheduleDeps, schedule: TaskSchedule, cron: CronExpression): Promise<void> {
  const { spec, status = {}, metadata } = schedule;
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
  await writeStatus(deps, schedule, {
    ...status,
    expression: expressionOf(schedule),
    active: true,
    checkedAt: isNews ? iso(plan.settledMs) : status.checkedAt,
    lastScheduledAt: last,
    lastRun: last === status.lastScheduledAt ? status.lastRun : runName(schedule, Date.parse(last ?? "")),
    nextScheduledAt: upcoming[0],
    upcoming,
    missed,
    conditions: [readiness(schedule, deps, true, "Active", "Triggers at the times of its expression.")],
  });
  const key = `${metadata.namespace}/${metadata.name}`;
  if (plan.more) deps.scheduleQueue.add(key);
  else if (upcoming[0]) deps.scheduleQueue.addAt(key, Date.parse(upcoming[0]));
}

/** Where its ticks begin to count: a new one at its creation, a changed or resumed one now. */
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

/** What a run of a schedule gets that names no payload: Trigger.dev's shape. */
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

function readiness(
  { metadata, status }: TaskSchedule,
  deps: Pick<Deps, "clock">,
  isReady: boolean,
  reason: string,
  message: string,
): Condition {
  const value = isReady ? "True" : "False";
  const before = status?.conditions?.find(({ type }) => type === "Ready");
  return {
    type: "Ready",
    status: value,
    reason,
    message,
    lastTransitionTime: before?.status === value ? before.lastTransitionTime : isoNow(deps),
    observedGeneration: metadata.generation,
  };
}

async function writeStatus(
  deps: ScheduleDeps,
  schedule: TaskSchedule,
  status: TaskScheduleStatus,
): Promise<void> {
  const { kind, metadata } = schedule;
  const wanted = plain({ ...status, observedGeneration: metadata.generation });
  if (isDeepStrictEqual(schedule.status && plain(schedule.status), wanted)) return;
  const { name, namespace, uid, resourceVersion } = metadata;
  const body = { apiVersion, kind, metadata: { name, namespace, uid, resourceVersion }, status: wanted };
  try {
    const written = await deps.client.replace(TaskSchedules, namespace, name, body as TaskSchedule, {
      subresource: "status",
    });
    deps.schedules.upsertFromWrite(written);
  } catch (error) {
    // A newer one is on its way through the watch, and brings the key back.
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
  }
}

/** Without what is undefined. */
const plain = (status: TaskScheduleStatus): TaskScheduleStatus =>
  JSON.parse(JSON.stringify(status)) as TaskScheduleStatus;
