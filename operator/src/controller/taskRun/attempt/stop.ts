/**
 * Stopping: the container gets SIGTERM, its grace period, then SIGKILL, by the kubelet, through the pod's
 * activeDeadlineSeconds: the pod stays, with its log. Deleting the Job is for pods that no kubelet has, and
 * the last resort. The run leaves Stopping when no container of the attempt can run any more.
 */
import { stoppedAtAnnotation } from "@fairlead/protocol/labels";
import { at, done } from "../../../kube/manager/requeue.ts";
import type { PodRef } from "../../../model/run/event.ts";
import { type Check, firstDecision } from "../decision.ts";
import { nodeLostDue, retryOf, silentDue } from "./ends.ts";
import {
  type AttemptAction,
  type AttemptDecision,
  type AttemptView,
  isAlive,
  isOnNode,
  strayRuns,
} from "./view.ts";

/** Beyond the grace period: the kubelet was slow or missed the patch. */
const escalationMs = 30_000;
const jobRecheckMs = 2_000;
const defaultGraceSeconds = 30;

/** What the attempt of a Stopping run needs now. */
export const stop = (view: AttemptView): AttemptDecision => firstDecision(checks, view) ?? done;

function containerEnded(view: AttemptView): AttemptDecision | undefined {
  const { pod } = view;
  if (pod?.seen.state !== "ended") return undefined;
  return containerGone(view, pod.ref, pod.seen.end.exitCode);
}

function nodeLost(view: AttemptView): AttemptDecision | undefined {
  const { pod, now } = view;
  if (pod?.seen.state !== "lost") return undefined;
  const due = nodeLostDue(view, pod.seen.since);
  return now < due ? at(due) : containerGone(view, pod.ref);
}

/** Its pod was asked to end long ago, and the node does not answer. */
function nodeSilent(view: AttemptView): AttemptDecision | undefined {
  const { pod, now } = view;
  return pod && now >= silentDue(view) ? containerGone(view, pod.ref) : undefined;
}

/** No kubelet has the pod, or there is none: without its Job it can never start. */
function notOnNode(view: AttemptView): AttemptDecision | undefined {
  const { pod, live, now } = view;
  if (isOnNode(pod)) return undefined;
  if (live && !live.job && !live.hasPods) return containerGone(view);
  const requeue = at(now + jobRecheckMs);
  return live?.job ? { do: "deleteJob", requeue } : requeue;
}

function containerRuns(view: AttemptView): AttemptDecision | undefined {
  if (!view.pod || view.pod.isEnding) return undefined;
  return { do: "endPod", requeue: at(escalationDue(view)) };
}

function containerRunsOn(view: AttemptView): AttemptDecision | undefined {
  const due = escalationDue(view);
  if (view.now < due) return at(due);
  return { do: "deleteJob", requeue: at(view.now + escalationMs) };
}

/** The last resort takes the attempt's other pods, too. */
function strayRunsOn(view: AttemptView): AttemptDecision | undefined {
  if (!strayRuns(view) || (isOnNode(view.pod) && isAlive(view.pod))) return undefined;
  return containerRunsOn(view);
}

const checks: readonly Check<AttemptView, AttemptAction>[] = [
  strayRunsOn,
  containerEnded,
  nodeLost,
  nodeSilent,
  notOnNode,
  containerRuns,
  containerRunsOn,
];

function escalationDue({ run, pod, program }: AttemptView): number {
  const grace =
    pod?.object.spec?.terminationGracePeriodSeconds ?? program?.gracePeriodSeconds ?? defaultGraceSeconds;
  const askedAt = pod?.object.metadata?.annotations?.[stoppedAtAnnotation];
  const since = Math.max(Date.parse(run.status?.stop?.at ?? ""), Date.parse(askedAt ?? "") || 0);
  return since + grace * 1000 + escalationMs;
}

function containerGone(view: AttemptView, pod: PodRef = {}, exitCode?: number): AttemptDecision {
  const { attempt, random } = view;
  const retry = retryOf(view);
  return { event: { type: "ContainerGone", attempt: attempt.number, retry, random, exitCode, ...pod } };
}
