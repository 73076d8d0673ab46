/**
 * A TaskSchedule: its due ticks become TaskRuns, and its status names the next ones.
 *
 * - A tick's run has the tick in its name, so the API server refuses to create it twice. Runs are created
 *   first and the status is written after them: after a crash in between, the ticks are found again and their
 *   runs exist.
 * - A run of that name which is not this schedule's is not taken for the tick's: an Event says so.
 * - Ticks of a time in which the schedule was paused, or had another expression, are not triggered.
 */
import { again, at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { replaceStatus } from "../../kube/status.ts";
import { setCondition, type WantedCondition } from "../../model/conditions.ts";
import { TaskSchedules } from "../../model/kinds.ts";
import type { TaskSchedule, TaskScheduleStatus } from "../../model/resources.ts";
import { CronExpression, CronProblem } from "../../model/schedule/cron.ts";
import { planTicks, type TickPlan } from "../../model/schedule/ticks.ts";
import { type Deps, isoNow } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { createTickRun, iso, runName } from "./tickRun.ts";

export type ScheduleDeps = Pick<Deps, "client" | "schedules" | "tasks" | "clock">;

const upcomingCount = 5;
const refusedRetryMs = 30_000;
/** A clock that is set back by less is waited for. */
const clockErrorMs = 3_600_000;

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

/**
 * Triggers the ticks that are due; wants to look again at the next one. Without a Task they wait: its arrival
 * brings the key, and what is late by then follows the catch-up policy.
 */
async function trigger(deps: ScheduleDeps, schedule: TaskSchedule, cron: CronExpression): Promise<Requeue> {
  const { spec, status = {}, metadata } = schedule;
  const now = deps.clock();
  const settled = settledUntil(schedule, now);
  const hasTask = taskOf(deps, metadata.namespace, spec.task) !== undefined;
  const plan = hasTask
    ? planTicks(cron, settled, now, spec)
    : { due: [], missed: 0, settledMs: settled, more: false };
  const result = await triggerDue(deps, schedule, cron, plan);
  const upcoming = cron.after(now, upcomingCount).map(iso);
  // What did not change is not written again and again: between two ticks nothing is.
  const isNews = plan.due.length > 0 || plan.missed > 0 || status.checkedAt === undefined;
  const next: TaskScheduleStatus = {
    ...status,
    expression: expressionOf(schedule),
    active: true,
    checkedAt: isNews || isReset(schedule, now) ? iso(result.settledMs) : status.checkedAt,
    lastScheduledAt: result.last === undefined ? status.lastScheduledAt : iso(result.last),
    lastRun: result.last === undefined ? status.lastRun : runName(schedule, result.last),
    nextScheduledAt: upcoming[0],
    upcoming,
    missed: (status.missed ?? 0) + plan.missed + result.taken.length,
  };
  const ready = readiness(schedule, hasTask, result.refused);
  await writeStatus(deps, schedule, next, ready, nameCondition(schedule, result));
  if (result.refused) return at(now + refusedRetryMs);
  if (plan.more) return again;
  return upcoming[0] ? at(Date.parse(upcoming[0])) : done;
}

interface Triggered {
  /** The last tick that became a run. */
  last?: number;
  /** Names of runs that are not this schedule's. */
  taken: string[];
  /** Why a tick cannot become a run. It stays due. */
  refused?: string;
  settledMs: number;
}

async function triggerDue(
  { client }: ScheduleDeps,
  schedule: TaskSchedule,
  cron: CronExpression,
  { due, settledMs }: Pick<TickPlan, "due" | "settledMs">,
): Promise<Triggered> {
  const taken: string[] = [];
  let last: number | undefined;
  for (const tick of due) {
    const before = last === undefined ? schedule.status?.lastScheduledAt : iso(last);
    const outcome = await createTickRun(client, schedule, cron, tick, before);
    if (outcome === "taken") taken.push(runName(schedule, tick));
    else if (outcome === "created") last = tick;
    // Those before it are triggered or missed; this one is tried again.
    else return { last, taken, refused: outcome.refused, settledMs: tick - 1 };
  }
  return { last, taken, settledMs };
}

function readiness(
  { spec }: TaskSchedule,
  hasTask: boolean,
  refused: string | undefined,
): Omit<WantedCondition, "type"> {
  if (refused !== undefined) {
    const message = `The run of a tick cannot be created: ${refused}`.slice(0, 1000);
    return { isTrue: false, reason: "RunRefused", message };
  }
  if (hasTask) return { isTrue: true, reason: "Active", message: "Triggers at the times of its expression." };
  const message = `spec.task: no Task of this namespace has the id "${spec.task}": apply it. Until then nothing is triggered.`;
  return { isTrue: false, reason: "TaskNotFound", message };
}

/** Only a schedule of which a name was taken once has this condition. */
function nameCondition({ status }: TaskSchedule, { taken, last }: Triggered): WantedCondition | undefined {
  const type = "NamesFree";
  const [name] = taken;
  if (name !== undefined) {
    const message = `The name of a tick's run is taken: TaskRun ${name} is not of this schedule, and the tick was skipped. Delete it, or rename one of the two.`;
    return { type, isTrue: false, reason: "NameTaken", message };
  }
  const wasTaken = status?.conditions?.some((one) => one.type === type && one.status === "False");
  if (!wasTaken || last === undefined) return undefined;
  return { type, isTrue: true, reason: "Triggered", message: "The last tick became a run." };
}

/** From when its ticks count: for a new schedule its creation, for a changed or resumed one now. */
function settledUntil(schedule: TaskSchedule, nowMs: number): number {
  if (isReset(schedule, nowMs)) return nowMs;
  return Date.parse(schedule.status?.checkedAt ?? schedule.metadata.creationTimestamp ?? "");
}

/** Also when its last look lies in the future: the clock of that controller was wrong. */
function isReset(schedule: TaskSchedule, nowMs: number): boolean {
  const { active, expression, checkedAt } = schedule.status ?? {};
  if (checkedAt !== undefined && Date.parse(checkedAt) - nowMs > clockErrorMs) return true;
  return active === false || (expression !== undefined && expression !== expressionOf(schedule));
}

const expressionOf = ({ spec }: TaskSchedule): string => `${spec.cron} ${spec.timezone ?? "UTC"}`;

/** A status that is there already is not written: between two ticks nothing is. */
async function writeStatus(
  deps: ScheduleDeps,
  schedule: TaskSchedule,
  status: TaskScheduleStatus,
  ready: Omit<WantedCondition, "type">,
  other?: WantedCondition,
): Promise<void> {
  const { generation } = schedule.metadata;
  let { conditions } = status;
  for (const condition of [{ type: "Ready", ...ready }, ...(other ? [other] : [])])
    conditions = setCondition(conditions, condition, isoNow(deps), generation);
  const next = { ...status, observedGeneration: generation, conditions };
  await replaceStatus(deps.client, deps.schedules, TaskSchedules, schedule, next);
}
