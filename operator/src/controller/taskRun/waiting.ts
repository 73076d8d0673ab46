/**
 * Why a queued run has no slot yet, by the caches, for its status. Said when it asks in vain, in the same
 * write as its acceptance; kept true by maintenance/waitingRuns.ts.
 */
import { queueNameOf, settingsOf } from "../../model/queue/governing.ts";
import type { Task } from "../../model/resources.ts";
import { laneOf, type Wait, whyWaits } from "../../model/run/waiting.ts";
import { type Deps, isoNow } from "../deps.ts";
import { queueOf } from "../taskQueue/lookup.ts";
import type { CachedRun } from "./cache.ts";
import { whyClosed } from "./closed.ts";

export type WaitDeps = Pick<Deps, "clock"> & {
  queues: Pick<Deps["queues"], "byIndex">;
  environments: Pick<Deps["environments"], "limitOf">;
  admission: Pick<Deps["admission"], "closed">;
  room: Pick<Deps["room"], "tight">;
};

/** `counts`: of its lane and its namespace. */
export function waitOf(
  deps: WaitDeps,
  run: CachedRun,
  task: Task | undefined,
  counts: { running: number; place: number; queued: number; namespaceRunning: number; wasRefused?: boolean },
): Wait {
  const { namespace } = run.metadata;
  const queue = queueNameOf(run, task);
  const tight = deps.room.tight(namespace, queue);
  return whyWaits({
    ...{ namespace, queue, concurrencyKey: run.spec.concurrencyKey },
    ...settingsOf(queueOf(deps, namespace, queue)),
    namespaceLimit: deps.environments.limitOf(namespace) ?? undefined,
    ...counts,
    noRoom: tight?.why,
    // Whoever was held back for want of room has met no limit.
    wasRefused: counts.wasRefused && !tight,
    closed: whyClosed(deps.admission, namespace, deps.clock()),
    now: isoNow(deps),
  });
}

/** Of a run that has just asked for a slot in vain; it counts as the last in line. */
export function waitOfRefused(
  deps: WaitDeps & { runs: Pick<Deps["runs"], "countByIndex"> },
  run: CachedRun,
  task: Task | undefined,
): Wait {
  const lane = laneOf(run, task);
  const queued = deps.runs.countByIndex("line", lane) + 1;
  return waitOf(deps, run, task, {
    running: deps.runs.countByIndex("slots", lane),
    ...{ place: queued, queued },
    namespaceRunning: deps.runs.countByIndex("slots", run.metadata.namespace),
    // While it is closed, nobody looked.
    wasRefused: deps.admission.closed(run.metadata.namespace) === undefined,
  });
}
