/**
 * Makes a deployment the current one of its project: its Tasks and TaskQueues are as it says, and the
 * project's other Tasks are gone. Runs that were admitted keep the version that they are pinned to.
 *
 * All or nothing: everything is tried first, as a dry run, and one refusal refuses all. What dies half-way is
 * made whole by the same call again, since each step leaves what is right already as it is. A resource that
 * is not the project's is never touched.
 */
import { originLabel, projectLabel } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { TaskQueues, Tasks } from "../../model/kinds.ts";
import type { ObjectMeta, Task, TaskQueue } from "../../model/resources.ts";
import { Problem } from "../http/problem.ts";
import type { Deployment } from "./body.ts";
import { type Manifests, manifestsOf } from "./manifests.ts";

export interface DeployDeps {
  client: Pick<KubeClient, "listAll" | "patch" | "delete">;
}

export type Action = "created" | "changed" | "unchanged" | "deleted";

export interface Change {
  kind: "Task" | "TaskQueue";
  name: string;
  action: Action;
}

const fieldManager = "fairlead-deploy";
const listLimit = 10_000;

interface Present {
  tasks: Map<string, Task>;
  queues: Map<string, TaskQueue>;
}

export async function deploy(
  { client }: DeployDeps,
  namespace: string,
  deployment: Deployment,
  dryRun: boolean,
): Promise<Change[]> {
  const { project } = deployment;
  const manifests = manifestsOf(namespace, deployment);
  const present: Present = {
    tasks: await byName(client.listAll(Tasks, namespace)),
    queues: await byName(client.listAll(TaskQueues, namespace)),
  };
  refuseForeign(manifests, present, project);
  const refusals = await refusalsOf(client, namespace, manifests);
  if (refusals.length > 0) throw new Problem(422, refusals.slice(0, 20).join("; "));
  const changes: Change[] = [];
  for (const manifest of [...manifests.queues, ...manifests.tasks]) {
    const { kind } = manifest;
    const { name } = manifest.metadata;
    const before = kind === "Task" ? present.tasks.get(name) : present.queues.get(name);
    const after = await apply(client, namespace, manifest, dryRun);
    const isSame = before?.metadata.generation === after.metadata.generation;
    changes.push({ kind, name, action: !before ? "created" : isSame ? "unchanged" : "changed" });
  }
  const wanted = new Set(manifests.tasks.map(({ metadata }) => metadata.name));
  for (const { metadata } of present.tasks.values()) {
    if (metadata.labels?.[projectLabel] !== project || wanted.has(metadata.name)) continue;
    if (!dryRun) await client.delete(Tasks, namespace, metadata.name, { uid: metadata.uid });
    changes.push({ kind: "Task", name: metadata.name, action: "deleted" });
  }
  return changes;
}

async function byName<T extends { metadata: ObjectMeta }>(
  objects: AsyncIterable<T>,
): Promise<Map<string, T>> {
  const found = new Map<string, T>();
  for await (const object of objects) {
    if (found.size >= listLimit)
      throw new Problem(422, `The namespace has more than ${listLimit} Tasks or TaskQueues`);
    found.set(object.metadata.name, object);
  }
  return found;
}

function refuseForeign(manifests: Manifests, present: Present, project: string): void {
  const foreign = [...manifests.tasks, ...manifests.queues].flatMap(({ kind, metadata }) => {
    const found = kind === "Task" ? present.tasks.get(metadata.name) : present.queues.get(metadata.name);
    const labels = found?.metadata.labels;
    // A queue that Fairlead made for a trigger is nobody's declaration.
    const isMade = kind === "TaskQueue" && labels?.[originLabel] !== undefined;
    if (!found || isMade || labels?.[projectLabel] === project) return [];
    const other = labels?.[projectLabel];
    return [
      `${kind} ${metadata.name} is ${other ? `part of project ${other}` : "not of a deployment (kubectl or another tool applied it)"}`,
    ];
  });
  if (foreign.length === 0) return;
  const advice = "delete them, or give the tasks other ids";
  throw new Problem(409, `${foreign.slice(0, 20).join("; ")}: nothing was deployed; ${advice}`);
}

/** What the API server would not accept, field by field. */
async function refusalsOf(
  client: DeployDeps["client"],
  namespace: string,
  manifests: Manifests,
): Promise<string[]> {
  const refusals: string[] = [];
  for (const manifest of [...manifests.queues, ...manifests.tasks]) {
    try {
      await apply(client, namespace, manifest, true);
    } catch (error) {
      const isRefusal =
        error instanceof KubeError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (!isRefusal) throw error;
      refusals.push(
        `${manifest.kind} ${manifest.metadata.name}: ${error.message.replace(/^[A-Z]+ \S+: \d* ?\w+: /, "")}`,
      );
    }
  }
  return refusals;
}

function apply(
  client: DeployDeps["client"],
  namespace: string,
  manifest: Manifests["tasks"][number] | Manifests["queues"][number],
  dryRun: boolean,
): Promise<Task | TaskQueue> {
  const { name } = manifest.metadata;
  const options = { type: "apply" as const, fieldManager, dryRun };
  return manifest.kind === "Task"
    ? client.patch(Tasks, namespace, name, manifest, options)
    : client.patch(TaskQueues, namespace, name, manifest, options);
}
