/**
 * What a pod says about its attempt. Pure: pod in, observation out.
 * State is read from pods, which are seconds ahead of their Job's conditions.
 *
 *   pending ─► running ─► ended       lost: its node does not answer
 */
import type { V1ContainerStatus, V1Pod } from "@kubernetes/client-node";
import { containerName } from "./jobBuilder.ts";

export type Observation =
  /** Not running yet. `blocked`: why it does not start without help. `waiting`: the step that it is in. */
  | { state: "pending"; blocked?: { reason: string; message: string }; waiting: string }
  | { state: "running"; startedAt: string }
  /** The container is gone for good. */
  | { state: "ended"; end: ContainerEnd }
  /** The node does not answer: the pod is marked for deletion, and no kubelet confirms its end. */
  | { state: "lost"; since: string };

export interface ContainerEnd {
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

/** Waiting reasons that rarely pass by themselves. */
const blocking = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

export function observePod(pod: V1Pod): Observation {
  const status = pod.status;
  const container = status?.containerStatuses?.find((c) => c.name === containerName);
  const disruption = disruptionOf(pod);
  const terminated = container?.state?.terminated;
  if (status?.phase === "Succeeded" || status?.phase === "Failed" || terminated) {
    return { state: "ended", end: endOf(pod, container, disruption) };
  }
  if (pod.metadata?.deletionTimestamp && disruption?.reason === "DeletionByTaintManager") {
    return { state: "lost", since: iso(pod.metadata.deletionTimestamp) ?? "" };
  }
  const startedAt = iso(container?.state?.running?.startedAt);
  if (startedAt) return { state: "running", startedAt };
  const waiting = container?.state?.waiting?.reason ?? status?.phase ?? "Pending";
  return { state: "pending", blocked: blockOf(pod, container), waiting };
}

function endOf(
  pod: V1Pod,
  container: V1ContainerStatus | undefined,
  disruption: ContainerEnd["disruption"],
): ContainerEnd {
  const terminated = container?.state?.terminated;
  const podReason = pod.status?.reason;
  return {
    exitCode: terminated?.exitCode,
    signal: terminated?.signal,
    reason: podReason ?? terminated?.reason ?? "Error",
    message: pod.status?.message ?? "",
    terminationMessage: terminated?.message ?? "",
    startedAt: iso(terminated?.startedAt),
    finishedAt: iso(terminated?.finishedAt),
    disruption:
      podReason === "Evicted"
        ? { reason: "Evicted", message: pod.status?.message ?? "" }
        : (disruption ?? deletionOf(pod, terminated?.finishedAt)),
  };
}

/** The pod was deleted before its container ended: what it ended with is not its own result. */
function deletionOf(pod: V1Pod, finishedAt: Date | string | undefined): ContainerEnd["disruption"] {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (!deletionTimestamp) return undefined;
  // The timestamp is when the grace period ends. Both times are whole seconds.
  const requestedAt = Date.parse(iso(deletionTimestamp) ?? "") - deletionGracePeriodSeconds * 1000;
  if (finishedAt && Date.parse(iso(finishedAt) ?? "") < requestedAt) return undefined;
  return { reason: "PodDeleted", message: "the pod was deleted" };
}

function disruptionOf(pod: V1Pod): ContainerEnd["disruption"] {
  const target = pod.status?.conditions?.find((c) => c.type === "DisruptionTarget" && c.status === "True");
  return target && { reason: target.reason ?? "Disrupted", message: target.message ?? "" };
}

function blockOf(
  pod: V1Pod,
  container: V1ContainerStatus | undefined,
): { reason: string; message: string } | undefined {
  const waiting = container?.state?.waiting;
  if (waiting?.reason && blocking.has(waiting.reason)) {
    return { reason: waiting.reason, message: waiting.message ?? `The container waits: ${waiting.reason}.` };
  }
  const scheduled = pod.status?.conditions?.find((c) => c.type === "PodScheduled");
  if (scheduled?.status === "False" && scheduled.reason) {
    return { reason: scheduled.reason, message: scheduled.message ?? "The pod cannot be scheduled." };
  }
  return undefined;
}

/** Objects from a watch carry times as strings, the types of the client library say Date. */
function iso(time: Date | string | undefined): string | undefined {
  if (!time) return undefined;
  return typeof time === "string" ? time : time.toISOString();
}
