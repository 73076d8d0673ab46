/**
 * Versions of Tasks: a run executes what its Task was at the run's first admission, whatever the Task is now.
 * A version is a ControllerRevision `<task>-<content hash>`, owned by the Task; it is immutable, so it is
 * cached.
 */
import { createHash } from "node:crypto";
import { managedByLabel, managerName, taskLabel } from "@fairlead/protocol/labels";
import type { V1ControllerRevision } from "@kubernetes/client-node";
import { LRUCache } from "lru-cache";
import type { PinnedTask } from "../../jobs/program.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { ControllerRevisions } from "../../kube/resources.ts";
import { apiVersion, idOfTask, type Task } from "../../model/resources.ts";

function pinOf(task: Task): PinnedTask {
  const { image, bundle, entry, podTemplate, machine, retry, maxDurationSeconds, startTimeoutSeconds } =
    task.spec;
  return {
    name: task.metadata.name,
    id: idOfTask(task),
    spec: { image, bundle, entry, podTemplate, machine, retry, maxDurationSeconds, startTimeoutSeconds },
  };
}

export function versionOf(task: Task): string {
  return createHash("sha256")
    .update(JSON.stringify(pinOf(task)))
    .digest("hex")
    .slice(0, 10);
}

export class TaskVersions {
  readonly #client: KubeClient;
  readonly #known = new LRUCache<string, PinnedTask>({ max: 1_000 });

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Stores the Task's present version unless it is stored already, and returns it. */
  async pin(task: Task): Promise<{ version: string; pinned: PinnedTask }> {
    const version = versionOf(task);
    const pinned = pinOf(task);
    const key = `${task.metadata.namespace}/${task.metadata.name}-${version}`;
    if (this.#known.has(key)) return { version, pinned };
    const revision: V1ControllerRevision = {
      apiVersion: "apps/v1",
      kind: "ControllerRevision",
      metadata: {
        name: `${task.metadata.name}-${version}`,
        namespace: task.metadata.namespace,
        labels: { [managedByLabel]: managerName, [taskLabel]: task.metadata.name },
        ownerReferences: [
          { apiVersion, kind: "Task", name: task.metadata.name, uid: task.metadata.uid, controller: true },
        ],
      },
      revision: task.metadata.generation ?? 1,
      data: pinned,
    };
    try {
      await this.#client.create(ControllerRevisions, task.metadata.namespace, revision);
    } catch (error) {
      if (!KubeError.is(error, "AlreadyExists")) throw error;
    }
    this.#known.set(key, pinned);
    return { version, pinned };
  }

  /** A stored version of a Task; undefined when it was deleted with its Task. */
  async get(namespace: string, taskName: string, version: string): Promise<PinnedTask | undefined> {
    const key = `${namespace}/${taskName}-${version}`;
    const known = this.#known.get(key);
    if (known) return known;
    const revision = await this.#client.get(ControllerRevisions, namespace, `${taskName}-${version}`);
    const pinned = revision?.data as PinnedTask | undefined;
    if (pinned) this.#known.set(key, pinned);
    return pinned;
  }
}
