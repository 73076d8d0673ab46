/**
 * What a pod says about its attempt. Pure: pod in, observation out.
 * State is read from pods, which are seconds ahead of their Job's conditions.
 *
 *   pending ─► running ─► ended       lost: its node does not answer
 */
import type { V1ContainerStateTerminated, V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { containerName } from "../model/run/attempts.ts";

export type Observation =
  /** Not running yet. `blocked`: why it does not start without help. `waiting`: the step that it is in. */
  | { state: "pending"; blocked?: { reason: string; message: string }; waiting: string }
  | { state: "running"; startedAt: string }
  /**
   * The container is gone for good. `provisional`: the kubelet may still say that it took the pod away; it
   * sends the container's end first, and a moment later the pod's phase, reason and disruption.
   */
  | { state: "ended"; end: ContainerEnd; provisional?: true }
  /** The node does not answer: the pod is marked for deletion, and no kubelet confirms its end. */
  | { state: "lost"; since: string };

export interface ContainerEnd {
  /** Absent when no container was ever made, or when that is not known. */
  exitCode?: number;
  signal?: number;
  /** The container's or the pod's reason: Completed, Error, OOMKilled, DeadlineExceeded, Evicted … */
  reason: string;
  message: string;
  /** /dev/termination-log, at most 4,096 bytes. */
  terminationMessage: string;
  startedAt?: string;
  finishedAt?: string;
  /** Set when the cluster took the pod away. */
  disruption?: { reason: string; message: string };
}

/** The container's `waiting` reasons that are steps of any start. */
const steps = new Set(["ContainerCreating", "PodInitializing"]);

/** Reasons of a pod that the kubelet ended, as against those of one that it refused. */
const taking = /^(Evicted|Preempt|(Node)?(Shutdown|Terminated)$|NodeLost$)/;

export function observePod(pod: V1Pod): Observation {
  const status = pod.status;
  const container = status?.containerStatuses?.find((c) => c.name === containerName);
  const isFinal = status?.phase === "Succeeded" || status?.phase === "Failed";
  if (isFinal) return { state: "ended", end: endOf(pod, container) };
  if (container?.state?.terminated) return { state: "ended", end: endOf(pod, container), provisional: true };
  const since = silentSince(pod);
  if (since) return { state: "lost", since };
  const startedAt = iso(container?.state?.running?.startedAt);
  if (startedAt) return { state: "running", startedAt };
  const waiting = container?.state?.waiting?.reason ?? status?.phase ?? "Pending";
  return { state: "pending", blocked: blockOf(pod, container), waiting };
}

/** Since when the pod's node is known not to answer. */
function silentSince({ metadata, status }: V1Pod): string | undefined {
  const deleted = iso(metadata?.deletionTimestamp);
  if (deleted && disruptionOf(status)?.reason === "DeletionByTaintManager") return deleted;
  if (status?.phase !== "Unknown" && status?.reason !== "NodeLost") return undefined;
  const ready = status.conditions?.find(({ type }) => type === "Ready");
  return iso(ready?.lastTransitionTime) ?? deleted;
}

function endOf(pod: V1Pod, container: V1ContainerStatus | undefined): ContainerEnd {
  const { status } = pod;
  const terminated = container?.state?.terminated ?? container?.lastState?.terminated;
  const disruption = takenAway(pod, terminated);
  const init = terminated ? undefined : status?.initContainerStatuses?.find(isFailed);
  return {
    exitCode: terminated?.exitCode ?? (status?.phase === "Succeeded" ? 0 : undefined),
    signal: terminated?.signal,
    reason: status?.reason || terminated?.reason || "Error",
    message: status?.message || (init ? textOfInit(init) : ""),
    terminationMessage: terminated?.message ?? "",
    startedAt: iso(terminated?.startedAt),
    finishedAt: iso(terminated?.finishedAt),
    disruption,
  };
}

const isFailed = ({ state }: V1ContainerStatus): boolean => (state?.terminated?.exitCode ?? 0) !== 0;

const textOfInit = ({ name, state }: V1ContainerStatus): string =>
  `init container ${name} exited with code ${state?.terminated?.exitCode}. ${state?.terminated?.message ?? ""}`.trim();

/** Undefined when what the container ended with is its own result. */
function takenAway(
  pod: V1Pod,
  terminated: V1ContainerStateTerminated | undefined,
): ContainerEnd["disruption"] {
  const { phase, reason = "", message = "" } = pod.status ?? {};
  const finishedAt = iso(terminated?.finishedAt);
  const target = disruptionOf(pod.status);
  // A finished pod that is evicted, or whose node is shut down, is marked as well.
  const succeeded = phase === "Succeeded" && terminated?.exitCode === 0;
  if (taking.test(reason)) {
    if (succeeded) return undefined;
    return { reason: /had condition/.test(message) ? "NodePressure" : reason, message };
  }
  if (target) {
    const { at, ...disruption } = target;
    const isLater = finishedAt !== undefined && at !== undefined && Date.parse(finishedAt) < Date.parse(at);
    const isOfKubelet = disruption.reason === "TerminationByKubelet";
    return succeeded || (isLater && !isOfKubelet) ? undefined : disruption;
  }
  return deletionOf(pod, finishedAt);
}

/** The pod was deleted before its container ended: what it ended with is not its own result. */
function deletionOf(pod: V1Pod, finishedAt: string | undefined): ContainerEnd["disruption"] {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (!deletionTimestamp) return undefined;
  // The timestamp is when the grace period ends. Both times are whole seconds.
  const requestedAt = Date.parse(iso(deletionTimestamp) ?? "") - deletionGracePeriodSeconds * 1000;
  if (finishedAt && Date.parse(finishedAt) < requestedAt) return undefined;
  return { reason: "PodDeleted", message: "the pod was deleted" };
}

function disruptionOf(status: V1Pod["status"]) {
  const target = status?.conditions?.find((c) => c.type === "DisruptionTarget" && c.status === "True");
  if (!target) return undefined;
  const { reason = "Disrupted", message = "", lastTransitionTime } = target;
  return { reason, message, at: iso(lastTransitionTime) };
}

function blockOf(
  pod: V1Pod,
  container: V1ContainerStatus | undefined,
): { reason: string; message: string } | undefined {
  const waiting =
    container?.state?.waiting ?? pod.status?.initContainerStatuses?.find(isBlocked)?.state?.waiting;
  if (waiting?.reason && !steps.has(waiting.reason)) {
    return { reason: waiting.reason, message: waiting.message ?? `The container waits: ${waiting.reason}.` };
  }
  const scheduled = pod.status?.conditions?.find((c) => c.type === "PodScheduled");
  if (scheduled?.status === "False" && scheduled.reason) {
    return { reason: scheduled.reason, message: scheduled.message ?? "The pod cannot be scheduled." };
  }
  return undefined;
}

const isBlocked = ({ state }: V1ContainerStatus): boolean =>
  state?.waiting?.reason !== undefined && !steps.has(state.waiting.reason);

/** Objects from a watch carry times as strings, the types of the client library say Date. */
function iso(time: Date | string | undefined): string | undefined {
  if (!time) return undefined;
  const text = typeof time === "string" ? time : time.toISOString();
  // A container that never ran has the year 1 or 1970.
  return text < "1971" ? undefined : text;
}
