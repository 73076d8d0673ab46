/**
 * After an attempt: its log goes to object storage, then its Job goes away.
 * Nothing is deleted before it was captured; while the bucket is down everything waits.
 */
import { attemptSelector } from "@fairlead/protocol/labels";
import type { V1Job } from "@kubernetes/client-node";
import { observePod } from "../../../jobs/podObserver.ts";
import { Jobs, Pods } from "../../../kube/resources.ts";
import type { Attempt } from "../../../model/resources.ts";
import { keyOf, type RunDeps } from "../../deps.ts";
import { applyRunEvent } from "../applyRunEvent.ts";
import type { CachedRun } from "../cache.ts";
import { placeOf, podOf } from "./attempt.ts";
import { captureLog } from "./captureLog.ts";
import { endPod } from "./stop.ts";

/** How long a container may run on after its report before it is stopped. */
const exitLimitMs = 30_000;

/** Captures the first ended attempt that is not yet; the changed run, or undefined when there is none to do now. */
export async function captureAttempts(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  for (const attempt of run.status?.attempts ?? []) {
    if (attempt.outcome === undefined) continue;
    if (attempt.captured) await removeJob(deps, run, attempt);
    else {
      const changed = await capture(deps, run, attempt);
      if (changed) return changed;
    }
  }
  return undefined;
}

async function capture(deps: RunDeps, run: CachedRun, attempt: Attempt): Promise<CachedRun | undefined> {
  const pod = podOf(deps, run, attempt);
  if (!pod) {
    const { namespace, name } = run.metadata;
    const live = await deps.client.list(Pods, namespace, {
      labelSelector: attemptSelector(name, attempt.number),
    });
    if (live.items.length > 0) return undefined;
    return applyRunEvent(deps, run, { type: "Captured", attempt: attempt.number });
  }
  const seen = observePod(pod);
  if (seen.state === "lost") return applyRunEvent(deps, run, { type: "Captured", attempt: attempt.number });
  if (seen.state !== "ended") {
    const due = Date.parse(attempt.finishedAt ?? "") + exitLimitMs;
    if (deps.clock() >= due) await endPod(deps, pod);
    else deps.queue.addAt(keyOf(run), due);
    return undefined;
  }
  const log = await captureLog(deps.client, deps.store, run, attempt, pod);
  return applyRunEvent(deps, run, {
    type: "Captured",
    attempt: attempt.number,
    logKey: "key" in log ? log.key : undefined,
    ...placeOf(pod),
  });
}

/** A finished Job stays for a while, for `kubectl logs`. */
async function removeJob(deps: RunDeps, run: CachedRun, attempt: Attempt): Promise<void> {
  const job = deps.jobs.get(run.metadata.namespace, attempt.job);
  if (!job || job.metadata?.deletionTimestamp || !ownedBy(job, run)) return;
  const due = Date.parse(attempt.finishedAt ?? "") + deps.config.jobRetentionSeconds * 1000;
  if (deps.clock() < due) return deps.queue.addAt(keyOf(run), due);
  await deps.client.delete(Jobs, run.metadata.namespace, attempt.job, {
    propagationPolicy: "Background",
    uid: job.metadata?.uid,
  });
}

const ownedBy = (job: V1Job, run: CachedRun): boolean =>
  job.metadata?.ownerReferences?.some((owner) => owner.uid === run.metadata.uid) ?? false;
