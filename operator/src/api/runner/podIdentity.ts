/**
 * Which attempt a pod is, by what Kubernetes says. The pod shows its token (protocol/runnerApi.ts);
 *
 *   token     genuine, for us, not expired (clusterKeys.ts), and bound to a pod's name and uid in a namespace
 *   Pod       it is there, under that uid, and has not ended: read live, so that a pod's token ends with it
 *   Job       the pod's controller, by name and uid
 *   TaskRun   the Job's controller, by name and uid; its current attempt has this Job
 *
 * Of a Job's pods only one is the attempt's: the one in the run's status, and before that is known the
 * oldest. Labels are hints of what to read; none is believed.
 *
 * Within its namespace this cannot tell apart what may be: who may create pods with any owner, or tokens of
 * service accounts, may be any pod there. docs/adr/0012-pod-identity.md.
 */
import { runLabel } from "@fairlead/protocol/labels";
import { podTokenAudience } from "@fairlead/protocol/runnerApi";
import type { V1ObjectMeta, V1OwnerReference, V1Pod } from "@kubernetes/client-node";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { Jobs, Pods } from "../../kube/resources.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { group, type TaskRun } from "../../model/resources.ts";
import { accessIn } from "../../model/run/accessNote.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import { retryPolicy } from "../../model/run/retry.ts";
import { retryIn } from "../../model/run/retryNote.ts";
import type { RunClaims } from "../../runs/runToken.ts";
import { Problem } from "../http/problem.ts";
import type { ClusterKeys } from "./clusterKeys.ts";

export interface PodAttempt {
  /** As it was just read. */
  run: TaskRun;
  claims: RunClaims;
}

export interface PodName {
  namespace: string;
  name: string;
  uid: string;
}

type Reader = Pick<KubeClient, "get" | "list">;

const longestToken = 8 * 1024;
const objectName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
const bound = z.object({
  "kubernetes.io": z.object({
    namespace: objectName,
    pod: z.object({ name: objectName, uid: z.guid() }),
  }),
});

/** The pod that a token was made for. Throws a Problem for anything else. `watched`: none means all. */
export async function podOfToken(
  keys: Pick<ClusterKeys, "claimsOf">,
  watched: readonly string[],
  token: string,
): Promise<PodName> {
  const claims = token.length > longestToken ? undefined : await keys.claimsOf(token, podTokenAudience);
  const parsed = bound.safeParse(claims);
  if (!parsed.success) throw notAToken();
  const { namespace, pod } = parsed.data["kubernetes.io"];
  if (watched.length > 0 && !watched.includes(namespace)) throw notAToken();
  return { namespace, ...pod };
}

/** Throws a Problem for a pod that has ended, and for one that is no current attempt's. */
export async function attemptOfPod(client: Reader, named: PodName): Promise<PodAttempt> {
  const pod = await client.get(Pods, named.namespace, named.name);
  if (pod?.metadata?.uid !== named.uid || hasEnded(pod))
    throw new Problem(401, "Authorization: the token's pod has ended");
  return attemptOf(client, named, pod);
}

async function attemptOf(
  client: Reader,
  { namespace, uid: podUid }: PodName,
  pod: V1Pod,
): Promise<PodAttempt> {
  const ofJob = controllerOf(pod.metadata, "batch/", "Job");
  if (!ofJob) throw notOurs();
  const hint = pod.metadata?.labels?.[runLabel];
  const [job, siblings, hinted] = await Promise.all([
    client.get(Jobs, namespace, ofJob.name),
    client.list(Pods, namespace, {
      labelSelector: `batch.kubernetes.io/controller-uid=${ofJob.uid}`,
      limit: mostSiblings,
    }),
    hint && objectName.safeParse(hint).success ? client.get(TaskRuns, namespace, hint) : undefined,
  ]);
  const ofRun = job?.metadata?.uid === ofJob.uid && controllerOf(job.metadata, `${group}/`, "TaskRun");
  if (!ofRun) throw notOurs();
  const run =
    hinted?.metadata.name === ofRun.name ? hinted : await client.get(TaskRuns, namespace, ofRun.name);
  if (run?.metadata.uid !== ofRun.uid) throw notOurs();
  const attempt = currentAttempt(run.status);
  if (attempt?.job !== ofJob.name)
    throw new Problem(
      409,
      `Job ${ofJob.name} is not of the attempt under way: the run is ${run.status?.phase}`,
    );
  const isItsPod =
    attempt.podUid === undefined ? isOldest(pod, siblings.items, ofJob.uid) : attempt.podUid === podUid;
  if (!isItsPod) throw new Problem(409, `The pod is not the one of attempt ${attempt.number}`);
  const { name, uid } = run.metadata;
  const retry = retryIn(job?.metadata?.annotations) ?? retryPolicy(run, undefined);
  const access = accessIn(job?.metadata?.annotations);
  return { run, claims: { ns: namespace, run: name, uid, attempt: attempt.number, podUid, retry, access } };
}

/** A Job of ours has one. */
const mostSiblings = 10;

/** Pods of one second cannot be told apart: none of them is, until one is gone. */
function isOldest(pod: V1Pod, siblings: readonly V1Pod[], jobUid: string): boolean {
  const born = bornAt(pod);
  return siblings.every(
    (other) =>
      other.metadata?.uid === pod.metadata?.uid ||
      controllerOf(other.metadata, "batch/", "Job")?.uid !== jobUid ||
      bornAt(other) > born,
  );
}

const bornAt = ({ metadata }: V1Pod): number => Date.parse(String(metadata?.creationTimestamp));

const hasEnded = ({ status }: V1Pod): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

function controllerOf(
  metadata: V1ObjectMeta | undefined,
  apiGroup: string,
  kind: string,
): V1OwnerReference | undefined {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller);
  return owner?.kind === kind && owner.apiVersion.startsWith(apiGroup) ? owner : undefined;
}

const notAToken = (): Problem =>
  new Problem(
    401,
    "Authorization: not the token of an attempt or its pod: send the content of $FAIRLEAD_TOKEN_FILE as Bearer",
  );

const notOurs = (): Problem =>
  new Problem(403, "Authorization: the token's pod is not the pod of a TaskRun's attempt");
