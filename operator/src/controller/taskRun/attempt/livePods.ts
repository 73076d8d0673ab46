/** Which attempts have pods, by a consistent read of the API server that several askers share. */
import { attemptLabel, managedSelector, runUidLabel } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../../kube/client/client.ts";
import { Pods } from "../../../kube/resources.ts";
import { SharedRead } from "../../../lib/sharedRead.ts";

/** Asked with a namespace and a run's uid; answers with `attemptOfPod` of pods of that run, and of others. */
export type LivePods = SharedRead<ReadonlySet<string>>;

export const attemptOfPod = (runUid: string, attempt: number | string): string => `${runUid}/${attempt}`;

export const livePods = (client: Pick<KubeClient, "listAll">): LivePods =>
  new SharedRead(async (namespace, uids) => {
    const found = new Set<string>();
    const labelSelector = `${managedSelector},${runUidLabel} in (${uids.join(",")})`;
    for await (const { metadata } of client.listAll(Pods, namespace, { labelSelector, metadataOnly: true })) {
      const { [runUidLabel]: uid = "", [attemptLabel]: attempt = "" } = metadata?.labels ?? {};
      found.add(attemptOfPod(uid, attempt));
    }
    return found;
  });
