/**
 * Jobs and pods as a cache holds them. Their specs carry a copy of the payload each, and nothing is decided
 * by them but where a pod is and how it is stopped; all that happens to them is in metadata and status.
 * Pure, and may be applied again.
 */
import type { V1Job, V1ObjectMeta, V1Pod } from "@kubernetes/client-node";
import { ownMetadata } from "../model/ownMetadata.ts";

export const jobProjection = ({ spec, metadata, ...job }: V1Job): V1Job => ({
  ...job,
  ...withMetadata(metadata),
  spec: { activeDeadlineSeconds: spec?.activeDeadlineSeconds, template: {} },
});

export function podProjection(pod: V1Pod): V1Pod {
  const { nodeName, activeDeadlineSeconds, terminationGracePeriodSeconds } = pod.spec ?? {};
  const spec = { containers: [], nodeName, activeDeadlineSeconds, terminationGracePeriodSeconds };
  return { ...pod, ...withMetadata(pod.metadata), spec };
}

const withMetadata = (metadata: V1ObjectMeta | undefined): { metadata?: V1ObjectMeta } =>
  metadata ? { metadata: ownMetadata(metadata) } : {};
