/**
 * A finished run is retired: its object and its summary are written to the bucket, then the record of its
 * key, and only then is its resource deleted. What was interrupted is done again from the start; nothing is
 * lost, nothing runs twice.
 *
 * Due once its logs are captured: a run that the API, a batch or a schedule made, `retentionSeconds` after
 * its end; an applied one only with `ttlSecondsAfterFinished`. The run of a tick stays until its schedule's
 * status knows of the tick.
 */
import { originLabel, scheduleUidAnnotation } from "@fairlead/protocol/labels";
import type { Config } from "../../config.ts";
import { KubeError } from "../../kube/client/kubeError.ts";
import { again, at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import { writeKeyRecord } from "../../storage/keyRecord.ts";
import { writeHistory } from "../../storage/runHistory.ts";
import type { Deps } from "../deps.ts";
import { batchAllowsRetirement } from "../taskBatch/cache.ts";
import type { CachedRun } from "./cache.ts";
import { debounceRecordOf, recordOf } from "./keyRecords.ts";

type RetentionDeps = Pick<Deps, "client" | "store" | "clock" | "config" | "batches" | "schedules">;

const tickRecheckMs = 30_000;
/** A schedule that does not get on does not keep its runs for ever. */
const tickKeptMs = 24 * 3_600_000;

/**
 * Whether the run's name is all that says that its tick was triggered: a schedule writes its status after it
 * has created the run, and a tick whose run it does not find would be triggered again.
 */
function isTickNeeded(
  { schedules, clock }: Pick<RetentionDeps, "clock" | "schedules">,
  { metadata, spec, status }: TaskRun,
): boolean {
  const { schedule: tick } = spec;
  if (!tick || clock() - Date.parse(status?.finishedAt ?? "") >= tickKeptMs) return false;
  const schedule = schedules.get(metadata.namespace, tick.name);
  const uid = metadata.annotations?.[scheduleUidAnnotation];
  if (!schedule || (uid !== undefined && schedule.metadata.uid !== uid)) return false;
  const { active, checkedAt } = schedule.status ?? {};
  return active !== false && !(Date.parse(tick.at) <= Date.parse(checkedAt ?? ""));
}

/** Whether `retire` would write to the bucket now. */
export function isRetirementDue(
  deps: Pick<RetentionDeps, "clock" | "config" | "batches" | "schedules">,
  run: CachedRun,
): boolean {
  const due = retirementDue(run, deps.config);
  return (
    due !== undefined && deps.clock() >= due && batchAllowsRetirement(deps, run) && !isTickNeeded(deps, run)
  );
}

export async function retire(deps: RetentionDeps, run: CachedRun): Promise<Requeue> {
  const due = retirementDue(run, deps.config);
  if (due === undefined || !batchAllowsRetirement(deps, run)) return done;
  if (deps.clock() < due) return at(due);
  if (isTickNeeded(deps, run)) return at(deps.clock() + tickRecheckMs);
  const { namespace, name, uid } = run.metadata;
  const live = await deps.client.get(TaskRuns, namespace, name);
  // A cache that is behind: the change that it has not seen yet brings the run back.
  if (!live || live.metadata.uid !== uid || live.metadata.resourceVersion !== run.metadata.resourceVersion)
    return done;
  // A duplicate has nothing of its own: its original is in history under the same key or name.
  if (!live.status?.duplicateOf) {
    await writeHistory(deps.store, live);
    const keyed = recordOf(live, deps.config.historySeconds);
    if (keyed) await writeKeyRecord(deps.store, namespace, keyed.hash, keyed.record);
    const debounced = debounceRecordOf(live, deps.config.historySeconds);
    if (debounced) await writeKeyRecord(deps.store, namespace, debounced.hash, debounced.record);
  }
  try {
    const { resourceVersion } = live.metadata;
    await deps.client.delete(TaskRuns, namespace, name, {
      propagationPolicy: "Background",
      uid,
      resourceVersion,
    });
  } catch (error) {
    // It was changed concurrently.
    if (!KubeError.is(error, "Conflict")) throw error;
    return again;
  }
  return done;
}

/** Milliseconds since the epoch; undefined: not before something else happens. */
export function retirementDue(run: TaskRun, config: Pick<Config, "retentionSeconds">): number | undefined {
  if (!isFinished(run)) return undefined;
  const { finishedAt, conditions } = run.status ?? {};
  if (!finishedAt || !conditions?.some(({ type, status }) => type === "Captured" && status === "True"))
    return undefined;
  const isMade = run.metadata.labels?.[originLabel] !== undefined;
  const seconds = run.spec.ttlSecondsAfterFinished ?? (isMade ? config.retentionSeconds : undefined);
  return seconds === undefined ? undefined : Date.parse(finishedAt) + seconds * 1000;
}
