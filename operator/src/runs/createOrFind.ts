/**
 * Creates a TaskRun, or finds the one that has its name: the API server decides which of two callers was
 * first. A call whose answer was lost finds what it created.
 */
import { type KubeClient, KubeError } from "../kube/client/client.ts";
import { TaskRuns } from "../model/kinds.ts";
import type { ObjectMeta, TaskRun } from "../model/resources.ts";

/** A run before the API server has given it a uid. */
export type NewTaskRun = Omit<TaskRun, "metadata"> & { metadata: Omit<ObjectMeta, "uid"> };

export interface CreatedOrFound {
  /** Undefined when the run was there and has been deleted since. */
  run?: TaskRun;
  isNew: boolean;
}

export async function createOrFind(
  client: Pick<KubeClient, "create" | "get">,
  wanted: NewTaskRun,
): Promise<CreatedOrFound> {
  const { namespace, name } = wanted.metadata;
  try {
    return { run: await client.create(TaskRuns, namespace, wanted), isNew: true };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  return { run: await client.get(TaskRuns, namespace, name), isNew: false };
}
