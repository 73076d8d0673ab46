/**
 * A deployment as the resources that it is: pure. The version comes from the content, so the same code and
 * settings are the same version, whoever deploys them and whenever.
 */
import { createHash } from "node:crypto";
import { deploymentAnnotation, projectLabel } from "@fairlead/protocol/labels";
import { sortedJson } from "../../lib/sortedJson.ts";
import { slug } from "../../model/ids.ts";
import { apiVersion, type TaskQueueSpec, type TaskSpec } from "../../model/resources.ts";
import { CronExpression, CronProblem } from "../../model/schedule/cron.ts";
import type { Deployment } from "./body.ts";

interface ManifestMeta {
  name: string;
  namespace: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface TaskManifest {
  apiVersion: string;
  kind: "Task";
  metadata: ManifestMeta;
  spec: TaskSpec;
}

interface QueueManifest {
  apiVersion: string;
  kind: "TaskQueue";
  metadata: ManifestMeta;
  spec: TaskQueueSpec;
}

export interface Manifests {
  queues: QueueManifest[];
  tasks: TaskManifest[];
}

/** 12 digits of a hash. */
export const versionOfDeployment = ({ project, bundle, tasks, queues }: Deployment): string =>
  createHash("sha256").update(sortedJson({ project, bundle, tasks, queues })).digest("hex").slice(0, 12);

export function manifestsOf(namespace: string, deployment: Deployment): Manifests {
  const { project, bundle } = deployment;
  const version = versionOfDeployment(deployment);
  const meta = (name: string): ManifestMeta => ({
    name: slug(name),
    namespace,
    labels: { [projectLabel]: project },
    annotations: { [deploymentAnnotation]: version },
  });
  return {
    queues: deployment.queues.map(({ name, concurrencyLimit }) => ({
      apiVersion,
      kind: "TaskQueue",
      metadata: meta(name),
      spec: defined({ name: slug(name) === name ? undefined : name, concurrencyLimit }),
    })),
    tasks: deployment.tasks.map(({ id, ...settings }) => ({
      apiVersion,
      kind: "Task",
      metadata: meta(id),
      spec: defined({ id: slug(id) === id ? undefined : id, bundle, ...settings }) as TaskSpec,
    })),
  };
}

/**
 * Ids that stand more than once, schedules that never come, and queues that a task names with another limit
 * than they have.
 */
export function problemsOf({ tasks, queues }: Deployment): string[] {
  const ids = tasks.map(({ id }) => id);
  const twice = [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))];
  const limits = new Map(queues.map(({ name, concurrencyLimit }) => [name, concurrencyLimit]));
  return [
    ...twice.map((id) => `tasks: ${id} is defined more than once; an id belongs to one task`),
    ...tasks.flatMap(({ id, schedule }) => (schedule ? cronProblems(id, schedule) : [])),
    ...tasks.flatMap(({ id, queue }) => {
      if (queue?.name === undefined || queue.concurrencyLimit === undefined || !limits.has(queue.name))
        return [];
      const limit = limits.get(queue.name);
      if (limit === queue.concurrencyLimit) return [];
      return [
        `tasks.${id}.queue.concurrencyLimit: ${queue.concurrencyLimit}, but queue ${queue.name} has ${limit ?? "none"}`,
      ];
    }),
  ];
}

function cronProblems(id: string, { cron, timezone }: { cron: string; timezone?: string }): string[] {
  try {
    new CronExpression(cron, timezone);
    return [];
  } catch (error) {
    if (error instanceof CronProblem) return [`tasks.${id}.schedule.${error.message.replace(/^spec\./, "")}`];
    throw error;
  }
}

const defined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T;
