/**
 * Jobs and pods as a cache holds them. Their specs carry a copy of the payload each, and nothing is decided
 * by them but where a pod is and how it is stopped; all that happens to them is in metadata and status.
 * Pure, and may be applied again.
 */
import type { V1Job, V1Pod } from "@kubernetes/client-node";

export const jobProjection = ({ spec, ...job }: V1Job): V1Job => ({
  ...job,
  spec: { activeDeadlineSeconds: spec?.activeDeadlineSeconds, template: {} },
});

export function podProjection(pod: V1Pod): V1Pod {
  const { nodeName, activeDeadlineSeconds, terminationGracePeriodSeconds } = pod.spec ?? {};
  const spec = { containers: [], nodeName, activeDeadlineSeconds, terminationGracePeriodSeconds };
  return { ...pod, spec };
}
