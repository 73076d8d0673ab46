/** Copies a container's log to the bucket before its pod is deleted. */
import type { V1Pod } from "@kubernetes/client-node";
import { containerName } from "../../../jobs/jobBuilder.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/client.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import { logKey } from "../../../storage/layout.ts";
import type { ObjectStore } from "../../../storage/objectStore.ts";

/** The beginning of a longer log is kept; the kubelet itself rotates at 10 MiB. */
const logLimit = 10 * 1024 * 1024;

/**
 * The key of the copy; undefined when there is no log to copy and never will be. Throws when the bucket or
 * the API server does not answer: then it is tried again.
 */
export async function captureLog(
  client: Pick<KubeClient, "podLog">,
  store: Pick<ObjectStore, "put">,
  run: TaskRun,
  attempt: Attempt,
  pod: V1Pod,
): Promise<string | undefined> {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  const log = await readLog(client, namespace, name);
  if (!log) return undefined;
  const key = logKey(run.metadata, attempt.number, uid);
  await store.put(key, log, { type: "text/plain; charset=utf-8" });
  return key;
}

async function readLog(
  client: Pick<KubeClient, "podLog">,
  namespace: string,
  pod: string,
): Promise<Uint8Array | undefined> {
  try {
    const stream = await client.podLog(namespace, pod, { container: containerName, limitBytes: logLimit });
    const parts: Uint8Array[] = [];
    for await (const part of stream) parts.push(part);
    return Buffer.concat(parts);
  } catch (error) {
    // 404: the pod is gone; 400: its container never ran. Neither will have a log later.
    if (error instanceof KubeError && (error.status === 404 || error.status === 400)) return undefined;
    throw error;
  }
}
