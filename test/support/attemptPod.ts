/**
 * An attempt's TaskRun, Job and pod, written into an API server without a controller, and the tokens that
 * Kubernetes makes for a pod.
 */
import { runLabel, runUidLabel } from "@fairlead/protocol/labels";
import { podTokenAudience } from "@fairlead/protocol/runnerApi";
import type { AuthenticationV1TokenRequest, V1OwnerReference, V1Pod } from "@kubernetes/client-node";
import type { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Jobs, type KubeObject, Pods, type Resource } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import {
  apiVersion,
  type TaskRun,
  type TaskRunSpec,
  type TaskRunStatus,
} from "../../operator/src/model/resources.ts";
import { payloadText, summarize } from "../../operator/src/runs/payloadText.ts";

const serviceAccounts = (part: string): Resource<KubeObject> => ({
  group: "",
  version: "v1",
  plural: `serviceaccounts${part}`,
  kind: "ServiceAccount",
  namespaced: true,
});

export interface AttemptPod {
  run: TaskRun;
  pod: V1Pod;
}

type Client = Pick<KubeClient, "create" | "get" | "patch">;

/** Pods need one. */
export const createServiceAccount = (client: Client, namespace: string): Promise<unknown> =>
  client.create(serviceAccounts(""), namespace, { metadata: { name: "default" } });

/** As the kubelet asks for it. */
export async function podToken(
  client: Client,
  pod: V1Pod | undefined,
  {
    audience = podTokenAudience,
    namespace = pod?.metadata?.namespace,
  }: { audience?: string; namespace?: string } = {},
): Promise<string> {
  const boundObjectRef = pod && {
    apiVersion: "v1",
    kind: "Pod",
    name: pod.metadata?.name,
    uid: pod.metadata?.uid,
  };
  const request = { spec: { audiences: [audience], expirationSeconds: 3600, boundObjectRef } };
  const tokens = serviceAccounts("/default/token") as Resource<AuthenticationV1TokenRequest>;
  const { status } = await client.create(tokens, namespace, request as AuthenticationV1TokenRequest);
  return status?.token ?? "";
}

export const ownedBy = (
  kind: "Job" | "TaskRun",
  { name = "", uid = "" }: { name?: string; uid?: string },
): V1OwnerReference[] => [
  { apiVersion: kind === "Job" ? "batch/v1" : apiVersion, kind, name, uid, controller: true },
];

export function createPod(
  client: Client,
  namespace: string,
  name: string,
  metadata: V1Pod["metadata"] = {},
): Promise<V1Pod> {
  return client.create(Pods, namespace, {
    metadata: { ...metadata, name },
    spec: { containers: [{ name: "main", image: "x" }], restartPolicy: "Never" },
  });
}

/** A run whose attempt `number` has a Job, and a pod that nobody has looked at yet. */
export async function startAttempt(
  client: Client,
  namespace: string,
  name: string,
  spec: Partial<TaskRunSpec> = { payload: { a: 1 } },
  number = 1,
): Promise<AttemptPod> {
  const created = await client.create(TaskRuns, namespace, {
    ...{ apiVersion, kind: "TaskRun", metadata: { name, namespace } },
    spec: { container: { image: "x" }, ...spec },
  } as TaskRun);
  const job = `${name}-${number}`;
  const text = payloadText(created.spec);
  const status: TaskRunStatus = {
    phase: "Starting",
    ...(text !== undefined && { payloadDigest: summarize(text).sha256 }),
    attempts: [{ number, job, slot: number, admittedAt: new Date().toISOString() }],
  } as TaskRunStatus;
  const run = await setStatus(client, created, status);
  const jobObject = await client.create(Jobs, namespace, {
    metadata: { name: job, ownerReferences: ownedBy("TaskRun", run.metadata) },
    spec: {
      suspend: true,
      template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "x" }] } },
    },
  });
  const pod = await createPod(client, namespace, `${job}-x`, {
    labels: {
      [runLabel]: name,
      [runUidLabel]: run.metadata.uid,
      "batch.kubernetes.io/controller-uid": jobObject.metadata?.uid ?? "",
    },
    ownerReferences: ownedBy("Job", jobObject.metadata ?? {}),
  });
  return { run, pod };
}

export const setStatus = (client: Client, { metadata }: TaskRun, status: TaskRunStatus): Promise<TaskRun> =>
  client.patch(
    TaskRuns,
    metadata.namespace,
    metadata.name,
    { status },
    { type: "merge", subresource: "status" },
  );
