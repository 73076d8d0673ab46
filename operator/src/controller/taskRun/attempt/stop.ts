/**
 * Stopping: the container gets SIGTERM, its grace period, then SIGKILL, by the kubelet, through the pod's
 * activeDeadlineSeconds: the pod stays with its log. Deleting the Job is for pods that no kubelet has, and the last
 * resort. The run leaves Stopping when no container of the attempt can run any more.
 */
import { attemptSelector } from "@fairlead/protocol/labels";
import type { V1Pod } from "@kubernetes/client-node";
import { observePod } from "../../../jobs/podObserver.ts";
import { Jobs, Pods } from "../../../kube/resources.ts";
import type { Attempt } from "../../../model/resources.ts";
import { currentAttempt } from "../../../model/run/attempts.ts";
import { retryPolicy } from "../../../model/run/retry.ts";
import { keyOf, type RunDeps } from "../../deps.ts";
import { applyRunEvent } from "../applyRunEvent.ts";
import type { CachedRun } from "../cache.ts";
import { nodeLostAt, placeOf, podOf, programOf } from "./attempt.ts";

/** Beyond the grace period: the kubelet was slow or missed the patch. */
const escalationMs = 30_000;
const recheckMs = 2_000;

export async function stopAttempt(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const attempt = currentAttempt(run.status);
  if (!attempt || !run.status?.stop) return undefined;
  const pod = podOf(deps, run, attempt);
  if (!pod) return removeJob(deps, run, attempt);
  const seen = observePod(pod);
  if (seen.state === "ended") return gone(deps, run, attempt, pod, seen.end.exitCode);
  if (seen.state === "lost") {
    const due = nodeLostAt(deps, seen.since);
    if (deps.clock() >= due) return gone(deps, run, attempt, pod);
    deps.queue.addAt(keyOf(run), due);
    return undefined;
  }
  if (!pod.spec?.nodeName) return removeJob(deps, run, attempt);
  await endPod(deps, pod);
  const program = await programOf(deps, run, attempt);
  const grace = (pod.spec.terminationGracePeriodSeconds ?? program?.gracePeriodSeconds ?? 30) * 1000;
  const due = Date.parse(run.status.stop.at) + grace + escalationMs;
  if (deps.clock() >= due) {
    await deps.client.delete(Jobs, run.metadata.namespace, attempt.job, { propagationPolicy: "Background" });
    deps.queue.addAt(keyOf(run), deps.clock() + escalationMs);
  } else deps.queue.addAt(keyOf(run), due);
  return undefined;
}

/** Has the kubelet stop the pod and keep it. */
export async function endPod(deps: Pick<RunDeps, "client" | "pods">, pod: V1Pod): Promise<void> {
  if (pod.spec?.activeDeadlineSeconds === 1 || pod.metadata?.deletionTimestamp) return;
  const { namespace, name } = pod.metadata ?? {};
  const patched = await deps.client.patch(
    Pods,
    namespace,
    name ?? "",
    { metadata: { uid: pod.metadata?.uid }, spec: { activeDeadlineSeconds: 1 } },
    { type: "merge" },
  );
  deps.pods.upsertFromWrite(patched);
}

/** No kubelet has the pod, or there is none: without its Job it can never start. */
async function removeJob(deps: RunDeps, run: CachedRun, attempt: Attempt): Promise<CachedRun | undefined> {
  const { namespace, name } = run.metadata;
  const there = await deps.client.delete(Jobs, namespace, attempt.job, { propagationPolicy: "Background" });
  const pods = await deps.client.list(Pods, namespace, {
    labelSelector: attemptSelector(name, attempt.number),
  });
  if (!there && pods.items.length === 0) return gone(deps, run, attempt);
  deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
  return undefined;
}

async function gone(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  pod?: V1Pod,
  exitCode?: number,
): Promise<CachedRun | undefined> {
  const program = await programOf(deps, run, attempt);
  return applyRunEvent(deps, run, {
    type: "ContainerGone",
    attempt: attempt.number,
    retry: program?.retry ?? retryPolicy(run, undefined),
    random: deps.random(),
    exitCode,
    ...placeOf(pod),
  });
}
