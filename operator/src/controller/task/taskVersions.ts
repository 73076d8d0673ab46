/**
 * Versions of Tasks: a run executes what its Task was at the run's first admission, whatever becomes of the
 * Task. A version is a ControllerRevision `<task>-<content hash>`. It is immutable, so it is cached; its name
 * is in the status of the runs that are pinned to it. Nothing owns it: it outlives its Task while a run
 * refers to it, and maintenance/revisionSweeper.ts removes what nothing refers to.
 */
import { createHash } from "node:crypto";
import { managedByLabel, managerName, taskLabel } from "@fairlead/protocol/labels";
import type { V1ControllerRevision } from "@kubernetes/client-node";
import { LRUCache } from "lru-cache";
import type { PinnedTask } from "../../jobs/program.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { ControllerRevisions } from "../../kube/resources.ts";
import { sortedJson } from "../../lib/sortedJson.ts";
import { idOfTask, type Task } from "../../model/resources.ts";

function pinOf(task: Task): PinnedTask {
  const { access, image, bundle, entry, podTemplate, allowOverrides, machine, retry } = task.spec;
  const { maxDurationSeconds, startTimeoutSeconds } = task.spec;
  return {
    name: task.metadata.name,
    id: idOfTask(task),
    spec: {
      ...{ access, image, bundle, entry, podTemplate, allowOverrides, machine, retry },
      ...{ maxDurationSeconds, startTimeoutSeconds },
    },
  };
}

export const versionOf = (task: Task): string => digest(pinOf(task)).slice(0, 10);

const digest = (pinned: PinnedTask): string => createHash("sha256").update(sortedJson(pinned)).digest("hex");

export const revisionOf = (taskName: string, version: string): string => `${taskName}-${version}`;

/** How long a revision that was found is taken to be there still. */
const recheckMs = 60_000;

export interface Pinned {
  version: string;
  /** Name of its ControllerRevision. */
  revision: string;
}

export class TaskVersions {
  readonly #client: Pick<KubeClient, "create" | "get" | "patch">;
  readonly #known = new LRUCache<string, PinnedTask>({ max: 1_000 });
  readonly #stored = new LRUCache<string, true>({ max: 1_000, ttl: recheckMs });

  constructor(client: Pick<KubeClient, "create" | "get" | "patch">) {
    this.#client = client;
  }

  /** Stores the Task's present version unless it is stored already, and returns it. */
  async pin(task: Task): Promise<Pinned> {
    const { namespace, name } = task.metadata;
    const version = versionOf(task);
    const revision = revisionOf(name, version);
    const key = `${namespace}/${revision}`;
    if (this.#stored.has(key)) return { version, revision };
    const pinned = pinOf(task);
    const found = await this.#client.get(ControllerRevisions, namespace, revision);
    if (found) await this.#adopt(found, pinned);
    else await this.#create(task, revision, pinned);
    this.#known.set(key, pinned);
    this.#stored.set(key, true);
    return { version, revision };
  }

  /** A stored version; undefined when there is none of that name. */
  async read(namespace: string, revision: string): Promise<PinnedTask | undefined> {
    const key = `${namespace}/${revision}`;
    const known = this.#known.get(key);
    if (known) return known;
    const found = await this.#client.get(ControllerRevisions, namespace, revision);
    const pinned = found && isOurs(found) ? (found.data as PinnedTask | undefined) : undefined;
    if (pinned) this.#known.set(key, pinned);
    return pinned;
  }

  /** It was deleted. */
  forget(namespace: string, revision: string): void {
    const key = `${namespace}/${revision}`;
    this.#known.delete(key);
    this.#stored.delete(key);
  }

  /** Throws when another one has the name in this moment: the work queue tries again. */
  async #create({ metadata }: Task, revision: string, pinned: PinnedTask): Promise<void> {
    const { namespace, name, generation = 1 } = metadata;
    await this.#client.create(ControllerRevisions, namespace, {
      apiVersion: "apps/v1",
      kind: "ControllerRevision",
      metadata: {
        name: revision,
        namespace,
        labels: { [managedByLabel]: managerName, [taskLabel]: name },
      },
      revision: generation,
      data: pinned,
    });
  }

  /** One that has an owner would go with it. */
  async #adopt(found: V1ControllerRevision, pinned: PinnedTask): Promise<void> {
    const { namespace = "", name = "", uid, deletionTimestamp, ownerReferences = [] } = found.metadata ?? {};
    if (!isOurs(found) || digest(found.data as PinnedTask) !== digest(pinned))
      throw new Error(
        `ControllerRevision ${namespace}/${name} is not a version of Task ${pinned.name}: delete it`,
      );
    if (deletionTimestamp) throw new Error(`ControllerRevision ${namespace}/${name} is being deleted`);
    if (ownerReferences.length === 0) return;
    const patch = { metadata: { uid, ownerReferences: null } };
    await this.#client.patch(ControllerRevisions, namespace, name, patch, { type: "merge" });
  }
}

const isOurs = ({ metadata }: V1ControllerRevision): boolean =>
  metadata?.labels?.[managedByLabel] === managerName;
