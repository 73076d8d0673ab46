/**
 * A bare Job and a TaskRun of the same image, in turns: the time from the request that creates it to the
 * first line of user code, and to its known completion (for the TaskRun: with its output readable in status).
 * Both are created by the same client, seen by watches, and have the same resources and security settings.
 */
import type { V1Job, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { machineResources } from "../../operator/src/jobs/machine.ts";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Jobs, type KubeObject, Namespaces, Pods, type Resource } from "../../operator/src/kube/resources.ts";
import { TaskRuns, Tasks } from "../../operator/src/model/kinds.ts";
import { apiVersion, type Task, type TaskRun } from "../../operator/src/model/resources.ts";
import { containerName } from "../../operator/src/model/run/attempts.ts";
import { isFinished } from "../../operator/src/model/run/phase.ts";

export interface Times {
  firstLineMs: number;
  completionMs: number;
}

interface MorePod {
  volumes?: V1Volume[];
  volumeMounts?: V1VolumeMount[];
}

const limitMs = 60_000;
/** The first ones fill caches of the node, of the API server and of both servers. */
export const warmUpPairs = 3;

export async function latency({ pairs, image }: { pairs: number; image: string }): Promise<void> {
  const client = KubeClient.fromEnvironment();
  const namespace = `bench-latency-${Date.now().toString(36)}`;
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
  try {
    const task = { apiVersion, kind: "Task", metadata: { name: "now" }, spec: { image } };
    await client.create(Tasks, namespace, task as Task);
    const jobs: Times[] = [];
    const runs: Times[] = [];
    for (let pair = -warmUpPairs; pair < pairs; pair++) {
      const name = `p${pair + warmUpPairs}`;
      const measure = [
        async () => [jobs, await bareJob(client, namespace, `job-${name}`, image)] as const,
        async () => [runs, await taskRun(client, namespace, `run-${name}`)] as const,
      ];
      // They take turns in being first.
      for (const one of pair % 2 === 0 ? measure : measure.reverse()) {
        const [list, times] = await one();
        if (pair >= 0) list.push(times);
      }
    }
    print(pairs, jobs, runs);
  } finally {
    await client.delete(Namespaces, undefined, namespace);
    await client.close();
  }
}

/** `pod`: more of the spec of its pod and container. */
export async function bareJob(
  client: KubeClient,
  namespace: string,
  name: string,
  image: string,
  pod: MorePod = {},
): Promise<Times> {
  const started = Date.now();
  const job = await client.create(Jobs, namespace, jobManifest(name, image, pod));
  const done = await waitUntil(client, Jobs, namespace, name, job.metadata?.resourceVersion, isOver);
  const completionMs = Date.now() - started;
  if (!done.status?.succeeded) throw new Error(`Job ${name} failed`);
  const pods = await client.list(Pods, namespace, { labelSelector: `job-name=${name}` });
  let log = "";
  for await (const part of await client.podLog(namespace, pods.items[0]?.metadata?.name ?? "")) {
    log += Buffer.from(part).toString();
  }
  await client.delete(Jobs, namespace, name, { propagationPolicy: "Background" });
  return { firstLineMs: Number(log.trim()) - started, completionMs };
}

async function taskRun(client: KubeClient, namespace: string, name: string): Promise<Times> {
  const started = Date.now();
  const manifest = { apiVersion, kind: "TaskRun", metadata: { name }, spec: { task: "now" } };
  const run = await client.create(TaskRuns, namespace, manifest as TaskRun);
  const done = await waitUntil(client, TaskRuns, namespace, name, run.metadata.resourceVersion, isFinished);
  const completionMs = Date.now() - started;
  const output = done.status?.output as { at?: number } | undefined;
  if (!output?.at) throw new Error(`TaskRun ${name}: ${done.status?.phase} ${done.status?.message}`);
  // Wait until its log is stored, so that this does not disturb the next measurement.
  await waitUntil(client, TaskRuns, namespace, name, done.metadata.resourceVersion, (later) =>
    (later.status?.attempts ?? []).every((attempt) => attempt.captured),
  );
  await client.delete(TaskRuns, namespace, name, { propagationPolicy: "Background" });
  return { firstLineMs: output.at - started, completionMs };
}

const isOver = (job: V1Job): boolean =>
  job.status?.conditions?.some(
    (c) => (c.type === "Complete" || c.type === "Failed") && c.status === "True",
  ) ?? false;

async function waitUntil<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  namespace: string,
  name: string,
  resourceVersion: string | undefined,
  fits: (object: T) => boolean,
): Promise<T> {
  const now = await client.get(resource, namespace, name);
  if (now && fits(now)) return now;
  const watch = client.watch(resource, namespace, {
    resourceVersion: resourceVersion ?? "0",
    fieldSelector: `metadata.name=${name}`,
    timeoutSeconds: limitMs / 1000,
    signal: AbortSignal.timeout(limitMs),
  });
  for await (const { type, object } of watch) if (type !== "BOOKMARK" && fits(object)) return object;
  throw new Error(`${resource.kind} ${name} is not there after ${limitMs / 1000} s`);
}

function jobManifest(name: string, image: string, { volumes, volumeMounts }: MorePod): V1Job {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: {
      backoffLimit: 0,
      template: {
        spec: {
          restartPolicy: "Never",
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          volumes,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            fsGroup: 65532,
            seccompProfile: { type: "RuntimeDefault" },
          },
          containers: [
            {
              name: containerName,
              image,
              volumeMounts,
              command: ["/nodejs/bin/node", "-e", "console.log(Date.now())"],
              resources: machineResources(undefined),
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
            },
          ],
        },
      },
    },
  };
}

function print(pairs: number, jobs: Times[], runs: Times[]): void {
  console.log(`${pairs} pairs, milliseconds from the request that creates it\n`);
  console.log("                        bare Job          TaskRun           ratio of medians");
  for (const [title, key] of [
    ["first line of code", "firstLineMs"],
    ["known completion", "completionMs"],
  ] as const) {
    const [job, run] = [jobs, runs].map((list) => list.map((times) => times[key]));
    const ratio = quantile(run, 0.5) / quantile(job, 0.5);
    const cell = (list: number[] | undefined) =>
      `${quantile(list, 0.5)} (p90 ${quantile(list, 0.9)})`.padEnd(18);
    console.log(`${title.padEnd(24)}${cell(job)}${cell(run)}${ratio.toFixed(2)}`);
  }
}

export function quantile(list: number[] | undefined, q: number): number {
  const sorted = [...(list ?? [])].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
