/**
 * The one door through which the controller changes a run's status. Starts from the cached run, whose
 * resourceVersion makes the write fail when the cache is behind; then the run is read, and the event applied
 * to it as it is. A cached run whose status lacks a part is read first. A status that the API server refuses
 * ends the run: trying the same again would never end.
 */
import { KubeError } from "../../kube/client/client.ts";
import { swapStatus } from "../../kube/status.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { transition } from "../../model/run/transition.ts";
import { applyEvent } from "../../runs/applyEvent.ts";
import { type Deps, isoNow } from "../deps.ts";
import { type CachedRun, toCachedRun } from "./cache.ts";
import { wholeRun } from "./wholeRun.ts";

export type EventDeps = Pick<Deps, "client" | "runs" | "clock" | "log">;

/**
 * The changed run; undefined when the event was refused or the run was deleted. `ofThisVersion`: the event is
 * about the run as it is in the cache; it is not applied to a later one, whose change brings the key back.
 * `timeoutMs`: of the write.
 */
export async function applyRunEvent(
  deps: EventDeps,
  run: CachedRun,
  event: RunEvent,
  { ofThisVersion = false, timeoutMs }: { ofThisVersion?: boolean; timeoutMs?: number } = {},
): Promise<CachedRun | undefined> {
  const now = isoNow(deps);
  if ("refused" in transition(run, event, now)) return undefined;
  const base = await wholeRun(deps, run, "status");
  if (!base || (ofThisVersion && base.metadata.resourceVersion !== run.metadata.resourceVersion))
    return undefined;
  const next = transition(base, event, now);
  if ("refused" in next) return undefined;
  try {
    return remember(deps, await swapStatus(deps.client, TaskRuns, base, next.status, { timeoutMs }));
  } catch (error) {
    if (KubeError.is(error, "NotFound")) return undefined;
    if (isRefusal(error) && event.type !== "StatusRefused") return endRefused(deps, run, event, error);
    if (!KubeError.is(error, "Conflict")) throw error;
    if (ofThisVersion) return undefined;
  }
  const result = await applyEvent(deps.client, run.metadata.namespace, run.metadata.name, event, {
    uid: run.metadata.uid,
    now: () => isoNow(deps),
    timeoutMs,
  });
  if ("applied" in result) return remember(deps, result.applied);
  // Refused against the live run: the cache was behind. Its change will bring the key back.
  if ("refused" in result) deps.log.debug({ run: run.metadata.name, event: event.type }, result.refused);
  return undefined;
}

/** Invalid, or too large. */
const isRefusal = (error: unknown): error is KubeError =>
  error instanceof KubeError && (error.status === 422 || error.status === 413);

async function endRefused(
  deps: EventDeps,
  run: CachedRun,
  event: RunEvent,
  error: KubeError,
): Promise<CachedRun | undefined> {
  const { namespace, name } = run.metadata;
  deps.log.error({ err: error, namespace, run: name, event: event.type }, "a run's status was refused");
  const message = `The API server refused the run's status after ${event.type}: ${error.message}`;
  const ended = await applyRunEvent(deps, run, { type: "StatusRefused", message });
  // It is terminal, or another one by now.
  if (!ended) throw error;
  return ended;
}

/** Our own write is the newest state we know: the next step must not act on an older cache. */
function remember({ runs }: EventDeps, written: TaskRun): CachedRun {
  const cached = toCachedRun(written);
  runs.upsertFromWrite(cached);
  return cached;
}
