/** From which events the deadlines of an attempt's start count. Pure. */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { Attempt } from "../../../model/resources.ts";

interface Known {
  attempt: Attempt;
  job?: V1Job;
  pod?: { object: V1Pod };
}

/** When the Job was made; the API server's clock may be behind ours, and then the admission counts. */
export const createdAt = ({ attempt, job, pod }: Known): number =>
  Math.max(
    Date.parse(attempt.admittedAt),
    ms(job?.metadata?.creationTimestamp ?? pod?.object.metadata?.creationTimestamp),
  );

/** When the pod got its node; before that, when the Job was made. */
export function onNodeSince(known: Known): number {
  const scheduled = known.pod?.object.status?.conditions?.find(({ type }) => type === "PodScheduled");
  return Math.max(createdAt(known), ms(scheduled?.lastTransitionTime));
}

const ms = (time: Date | string | undefined): number => (time ? new Date(time).getTime() || 0 : 0);
