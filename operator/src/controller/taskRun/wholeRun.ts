/** The run with what the cache leaves out: from the API server where the cached one lacks the part. */
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { CachedRun } from "./cache.ts";

/** Undefined when the run was deleted. */
export async function wholeRun(
  { client }: { client: Pick<KubeClient, "get"> },
  run: CachedRun,
  part: "spec" | "status",
): Promise<TaskRun | undefined> {
  if (!run.cut?.[part]) return run;
  const { namespace, name, uid } = run.metadata;
  const live = await client.get(TaskRuns, namespace, name);
  return live?.metadata.uid === uid ? live : undefined;
}
