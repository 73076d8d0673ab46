/**
 * `npm run bench -- scale [--runs N]`: what sweeping the bucket requests, what a run requests of the API
 * server and the bucket, and what memory the controller's caches and the API's take, with N runs queued, a
 * tenth of that executing, and N finished. API server, Redis and bucket of its own; there is no kubelet: pods
 * are made and ended by hand.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { attemptLabel, managedByLabel, managerName, runLabel, runUidLabel } from "@fairlead/protocol/labels";
import { Registry } from "prom-client";
import { waitFor } from "../../hack/lib/wait.ts";
import { RunReader } from "../../operator/src/api/runs/reader.ts";
import { readConfig } from "../../operator/src/config.ts";
import { Controller } from "../../operator/src/controller/controller.ts";
import type { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Jobs, type KubeObject, Namespaces, Pods, type Resource } from "../../operator/src/kube/resources.ts";
import { inParallel } from "../../operator/src/lib/parallel.ts";
import { TaskQueues, TaskRuns } from "../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta, type TaskRun } from "../../operator/src/model/resources.ts";
import { connectRedis } from "../../operator/src/queue/redisClient.ts";
import { ObjectStore } from "../../operator/src/storage/objectStore.ts";
import { quiet } from "../support/quiet.ts";
import { ApiServer } from "../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../support/servers/objectStoreServer.ts";
import { RedisServer } from "../support/servers/redisServer.ts";
import { countCalls } from "./countCalls.ts";
import { sweepBench } from "./scaleSweep.ts";

const namespace = "scale";
/** Pods need one; no controller is there to make it. */
const ServiceAccounts: Resource<KubeObject> = {
  ...{ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true },
};
const atOnce = 32;
const patience = { timeoutMs: 30 * 60_000, intervalMs: 500 };
const kubeCalls = ["create", "delete", "get", "list", "patch", "podLog", "replace"] as const;
const storeCalls = ["delete", "deleteMany", "get", "head", "list", "put", "putNew"] as const;

export async function scaleBench(runs: number): Promise<void> {
  if (runs >= 1000) await sweepBench();
  const servers = await Promise.all([ApiServer.start(), ObjectStoreServer.start(), RedisServer.start()]);
  const [api, bucket, redisServer] = servers;
  const stop = new AbortController();
  const client = api.client();
  const own = api.client();
  const redis = connectRedis(redisServer.url);
  try {
    await client.create(Namespaces, undefined, { metadata: { name: namespace } });
    await client.create(ServiceAccounts, namespace, { metadata: { name: "default" } });
    const raw = bucket.bucket();
    const store = new ObjectStore(raw);
    const takeKube = countCalls(own, kubeCalls);
    const takeStore = countCalls(raw, storeCalls);
    const config = readConfig({
      FAIRLEAD_NAMESPACE: "fairlead",
      FAIRLEAD_FULLNAME: "fairlead",
      FAIRLEAD_S3_BUCKET: "test",
      FAIRLEAD_S3_SECRET: "unused",
      FAIRLEAD_SIGNING_SECRET: "unused",
      FAIRLEAD_API_KEY_SECRET: "unused",
      FAIRLEAD_API_URL: "http://api",
      FAIRLEAD_S3_ENDPOINT: "http://s3",
      FAIRLEAD_REDIS_URL: redisServer.url,
    });
    const before = heapMB();
    const controller = new Controller({
      ...{ client: own, store, redis, metrics: new Registry() },
      ...{ term: () => 1, installation: "bench", onFenced: () => undefined, config, log: quiet },
    });
    await controller.sync(stop.signal);
    const led = controller.lead(stop.signal);
    await client.create(TaskQueues, namespace, {
      ...{ apiVersion, kind: "TaskQueue", metadata: { name: "q", namespace } as ObjectMeta },
      spec: { name: "q", concurrencyLimit: runs / 10 },
    });

    await createRuns(client, "done", runs / 10);
    await untilIn(client, "Completed", runs / 10);
    const perRun = (calls: Record<string, number>) =>
      Object.fromEntries(Object.entries(calls).map(([call, n]) => [call, n / (runs / 10)]));
    console.log(JSON.stringify({ what: "a run", api: perRun(takeKube()), s3: perRun(takeStore()) }));

    for (let done = runs / 10; done < runs; done += runs / 10) {
      await createRuns(client, `done${done}`, runs / 10);
      await untilIn(client, "Completed", done + runs / 10);
    }
    await createRuns(client, "more", runs + runs / 10);
    await untilIn(client, "Executing", runs / 10);
    const controllerMB = heapMB() - before;
    const reader = new RunReader(client, store, [], quiet);
    await reader.start(stop.signal);
    const apiMB = heapMB() - before - controllerMB;
    console.log(
      JSON.stringify({
        what: `${runs} queued, ${runs / 10} executing, ${runs} finished`,
        controllerMB,
        apiMB,
      }),
    );
    stop.abort();
    await led;
  } finally {
    stop.abort();
    redis.disconnect();
    for (const one of [own, client]) await one.close();
    for (const server of servers) await server.stop();
  }
}

const createRuns = (client: KubeClient, name: string, count: number): Promise<void> =>
  inParallel(Array.from({ length: count }, (_, n) => n).values(), atOnce, async (n) => {
    const metadata = { name: `${name}-${n}`, namespace } as ObjectMeta;
    const spec: TaskRun["spec"] = {
      container: { image: "example/image" },
      payloadData: "x".repeat(8_000),
      queue: { name: "q" },
    };
    await client.create(TaskRuns, namespace, { apiVersion, kind: "TaskRun", metadata, spec });
  });

async function countIn(client: KubeClient, phase: string): Promise<number> {
  let count = 0;
  const selected = { fieldSelector: `status.phase=${phase}`, metadataOnly: true };
  for await (const _run of client.listAll(TaskRuns, namespace, selected)) count++;
  return count;
}

/** Admission follows what finds a node: pods are made as fast as Jobs are. */
const untilIn = (client: KubeClient, phase: "Completed" | "Executing", wanted: number): Promise<unknown> =>
  waitFor(
    `${wanted} ${phase}`,
    async () => {
      await playPods(client, phase);
      return (await countIn(client, phase)) >= wanted;
    },
    patience,
  );

/** Each Job that has no pod gets one on a node, whose container runs, or has ended well. */
async function playPods(client: KubeClient, phase: "Completed" | "Executing"): Promise<void> {
  const withPod = new Set<string>();
  for await (const pod of client.listAll(Pods, namespace, { metadataOnly: true }))
    withPod.add(pod.metadata?.ownerReferences?.[0]?.uid ?? "");
  const jobs = [];
  for await (const job of client.listAll(Jobs, namespace, {
    labelSelector: `${managedByLabel}=${managerName}`,
  }))
    if (!withPod.has(job.metadata?.uid ?? "")) jobs.push(job);
  await inParallel(jobs.values(), atOnce, async ({ metadata = {}, spec }) => {
    const name = `${metadata.name}-pod`;
    const labels = Object.fromEntries(
      [managedByLabel, runLabel, runUidLabel, attemptLabel].map((label) => [
        label,
        metadata.labels?.[label] ?? "",
      ]),
    );
    const owner = { apiVersion: "batch/v1", kind: "Job", name: metadata.name ?? "", uid: metadata.uid ?? "" };
    await client.create(Pods, namespace, {
      metadata: { name, namespace, labels, ownerReferences: [{ ...owner, controller: true }] },
      spec: { ...spec?.template.spec, nodeName: "node-1", containers: spec?.template.spec?.containers ?? [] },
    });
    const at = new Date().toISOString();
    const running = { startedAt: at };
    const terminated = { exitCode: 0, reason: "Completed", startedAt: at, finishedAt: at, message: "done" };
    const status = {
      phase: phase === "Completed" ? "Succeeded" : "Running",
      containerStatuses: [
        {
          ...{ name: "main", image: "i", imageID: "i", ready: false, restartCount: 0 },
          state: phase === "Completed" ? { terminated } : { running },
        },
      ],
    };
    await client.patch(Pods, namespace, name, { status }, { type: "merge", subresource: "status" });
  });
}

function heapMB(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return Math.round(process.memoryUsage().heapUsed / 2 ** 20);
}
