/** The TaskRun of a tick. */
import { scheduleId } from "@fairlead/protocol/ids";
import { originLabel, scheduleLabel, scheduleUidAnnotation } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { apiVersion, type TaskRun, type TaskSchedule } from "../../model/resources.ts";
import type { CronExpression } from "../../model/schedule/cron.ts";
import { type CachedSchedule, payloadOf } from "./cache.ts";

export const iso = (ms: number): string => new Date(ms).toISOString();

export const runName = (schedule: TaskSchedule, tick: number): string =>
  `${schedule.metadata.name}-${Math.floor(tick / 1000)}`;

/**
 * Creates it, unless it is there: "taken" when a run of that name is not this schedule's, "refused" with the
 * API server's words when there can be none.
 */
export async function createTickRun(
  client: Pick<KubeClient, "create" | "get">,
  schedule: CachedSchedule,
  cron: CronExpression,
  tick: number,
  last: string | undefined,
): Promise<"created" | "taken" | { refused: string }> {
  const { namespace, name, uid = "" } = schedule.metadata;
  const { task, ttlSeconds } = schedule.spec;
  const run = {
    apiVersion,
    kind: "TaskRun",
    metadata: {
      name: runName(schedule, tick),
      namespace,
      labels: { [originLabel]: "schedule", [scheduleLabel]: name },
      annotations: { [scheduleUidAnnotation]: uid },
    },
    spec: {
      task,
      ttlSeconds,
      schedule: { name, at: iso(tick) },
      payload: (await payloadOf(client, schedule)) ?? tickPayload(schedule, cron, tick, last),
    },
  };
  try {
    await client.create(TaskRuns, namespace, run);
    return "created";
  } catch (error) {
    if (isRefusal(error)) return { refused: error.message };
    if (!KubeError.is(error, "AlreadyExists")) throw error;
    const existing = await client.get(TaskRuns, namespace, run.metadata.name);
    // Deleted in between: the name is free again.
    if (!existing) throw error;
    return isOf(existing, schedule) ? "created" : "taken";
  }
}

/** A run of an earlier release has no uid of its schedule. */
function isOf({ metadata }: TaskRun, schedule: TaskSchedule): boolean {
  if (metadata.labels?.[scheduleLabel] !== schedule.metadata.name) return false;
  const uid = metadata.annotations?.[scheduleUidAnnotation];
  return uid === undefined || uid === schedule.metadata.uid;
}

/** Will be the same tomorrow, unless a user changes something. */
const isRefusal = (error: unknown): error is KubeError =>
  error instanceof KubeError && [400, 403, 413, 422].includes(error.status ?? 0);

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
