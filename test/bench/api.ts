/**
 * `npm run bench -- api`: triggers a second through one replica of the API, beside TaskRuns created at the
 * API server by a client that keeps its connections, in turns; then batches of 1,000, until all their
 * TaskRuns exist. All runs are delayed by an hour: creation is measured, while the controller accepts them.
 */

import { batchLabel } from "@fairlead/protocol/labels";
import { Pool } from "undici";
import { run } from "../../hack/lib/exec.ts";
import { addApiKey, apiAddress, newKey, removeApiKey } from "../../hack/start/apiKey.ts";
import { releaseName, releaseNamespace } from "../../hack/start/release.ts";
import { KubeClient } from "../../operator/src/kube/client/client.ts";
import { Namespaces } from "../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../operator/src/model/kinds.ts";
import { apiVersion, type TaskRun } from "../../operator/src/model/resources.ts";

const rounds = 7;
const requests = 600;
const atOnce = 16;
const batchSize = 1_000;
const batchRounds = 5;
const limitMs = 120_000;
const payload = { name: "Ada", items: Array.from({ length: 10 }, (_, n) => ({ n, text: "some text" })) };

interface Round {
  perSecond: number;
  /** Milliseconds each. */
  latencies: number[];
}

interface Target {
  client: KubeClient;
  api: Pool;
  key: string;
  namespace: string;
}

export async function apiBench(): Promise<void> {
  const client = KubeClient.fromEnvironment({ connections: atOnce });
  const namespace = `bench-api-${Date.now().toString(36)}`;
  const key = newKey();
  const address = await apiAddress();
  const api = new Pool(address, { connections: atOnce, pipelining: 1 });
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
  await addApiKey(namespace, "bench", key);
  const replicas = await scaleApi(1);
  try {
    const target = { client, api, key, namespace };
    await untilKeyWorks(target);
    await singles(target);
    await batches(target);
  } finally {
    await scaleApi(replicas);
    await removeApiKey(namespace, "bench");
    await client.delete(Namespaces, undefined, namespace);
    await api.close();
    await client.close();
  }
}

async function singles(target: Target): Promise<void> {
  const raw: Round[] = [];
  const triggered: Round[] = [];
  for (let round = -1; round < rounds; round++) {
    const both = [
      async () => [raw, await measured(requests, (n) => rawRun(target, `raw-${round + 1}-${n}`))] as const,
      async () => [triggered, await measured(requests, () => trigger(target))] as const,
    ];
    for (const one of round % 2 === 0 ? both : both.reverse()) {
      const [list, result] = await one();
      if (round >= 0) list.push(result);
    }
  }
  console.log(`${rounds} rounds of ${requests} runs, ${atOnce} at once, in turns, one replica of the API\n`);
  console.log("                     a second    p50 ms   p99 ms");
  for (const [title, list] of [
    ["created directly", raw],
    ["triggered", triggered],
  ] as const) {
    const all = list.flatMap(({ latencies }) => latencies);
    const cells = [rate(list).toFixed(0), quantile(all, 0.5).toFixed(1), quantile(all, 0.99).toFixed(1)];
    console.log(`${title.padEnd(21)}${cells.map((cell) => cell.padEnd(11)).join("")}`);
  }
  console.log(`ratio of medians     ${(rate(triggered) / rate(raw)).toFixed(2)}\n`);
}

async function batches(target: Target): Promise<void> {
  const raw: number[] = [];
  const accepted: number[] = [];
  const existing: number[] = [];
  for (let round = -1; round < batchRounds; round++) {
    const both = [
      async () => {
        const { perSecond } = await measured(batchSize, (n) => rawRun(target, `rawb-${round + 1}-${n}`));
        if (round >= 0) raw.push(perSecond);
      },
      async () => {
        const times = await batch(target);
        if (round < 0) return;
        accepted.push(times.acceptedMs);
        existing.push((batchSize / times.existMs) * 1000);
      },
    ];
    for (const one of round % 2 === 0 ? both : both.reverse()) await one();
  }
  console.log(`${batchRounds} batches of ${batchSize}, in turns with as many created directly\n`);
  console.log(`created directly     ${quantile(raw, 0.5).toFixed(0)} a second`);
  console.log(`in a batch           ${quantile(existing, 0.5).toFixed(0)} a second, until all exist`);
  console.log(`ratio of medians     ${(quantile(existing, 0.5) / quantile(raw, 0.5)).toFixed(2)}`);
  console.log(`a batch is accepted  after ${quantile(accepted, 0.5).toFixed(0)} ms`);
}

const rate = (list: readonly Round[]): number =>
  quantile(
    list.map(({ perSecond }) => perSecond),
    0.5,
  );

async function measured(count: number, work: (n: number) => Promise<unknown>): Promise<Round> {
  const latencies: number[] = [];
  let next = 0;
  const begun = performance.now();
  const worker = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const started = performance.now();
      await work(n);
      latencies.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { perSecond: (count / (performance.now() - begun)) * 1000, latencies };
}

const anHour = () => new Date(Date.now() + 3_600_000).toISOString();

function rawRun({ client, namespace }: Target, name: string): Promise<TaskRun> {
  const spec = {
    task: "bench",
    delayUntil: anHour(),
    payloadData: JSON.stringify(payload),
    payloadType: "application/json",
  };
  const body = { apiVersion, kind: "TaskRun", metadata: { name, namespace }, spec };
  return client.create(TaskRuns, namespace, body as unknown as TaskRun);
}

const trigger = (target: Target): Promise<unknown> =>
  ask(target, "/api/v1/tasks/bench/trigger", JSON.stringify({ payload, options: { delay: "1h" } }));

/** Milliseconds until the batch is accepted, and until all of its runs exist. */
async function batch(target: Target): Promise<{ acceptedMs: number; existMs: number }> {
  const { client, namespace } = target;
  const line = (index: number) => JSON.stringify({ index, task: "bench", payload, options: { delay: "1h" } });
  const lines = Array.from({ length: batchSize }, (_, index) => `${line(index)}\n`).join("");
  const begun = performance.now();
  const create = JSON.stringify({ runCount: batchSize });
  const { id } = (await ask(target, "/api/v3/batches", create)) as { id: string };
  const name = id.replace(/^batch_/, "");
  const stop = new AbortController();
  const seen = countOf(client, namespace, name, AbortSignal.any([stop.signal, AbortSignal.timeout(limitMs)]));
  await ask(target, `/api/v3/batches/${id}/items`, lines, "application/x-ndjson");
  const acceptedMs = performance.now() - begun;
  await seen;
  stop.abort();
  return { acceptedMs, existMs: performance.now() - begun };
}

/** Resolves when a watch has shown all runs of the batch. */
async function countOf(
  client: KubeClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const labelSelector = `${batchLabel}=${name}`;
  const { metadata, items } = await client.list(TaskRuns, namespace, { labelSelector });
  const names = new Set(items.map((item) => item.metadata.name));
  const { resourceVersion = "0" } = metadata;
  const watch = client.watch(TaskRuns, namespace, {
    labelSelector,
    resourceVersion,
    timeoutSeconds: limitMs / 1000,
    signal,
  });
  for await (const { type, object } of watch) {
    if (type !== "BOOKMARK") names.add(object.metadata.name);
    if (names.size >= batchSize) return;
  }
  throw new Error(`only ${names.size} runs of the batch exist`);
}

async function ask(
  { api, key }: Target,
  path: string,
  body: string,
  type = "application/json",
): Promise<unknown> {
  const headers = { authorization: `Bearer ${key}`, "content-type": type };
  const response = await api.request({ method: "POST", path, headers, body });
  const text = await response.body.text();
  if (response.statusCode >= 300) throw new Error(`${path}: ${response.statusCode} ${text}`);
  return JSON.parse(text);
}

/** Resolves with the number of replicas before. */
async function scaleApi(replicas: number): Promise<number> {
  const what = ["deployment", `${releaseName}-api`, "--namespace", releaseNamespace];
  const { stdout } = await run("kubectl", ["get", ...what, "-o", "jsonpath={.spec.replicas}"]);
  await run("kubectl", ["scale", ...what, `--replicas=${replicas}`]);
  await run("kubectl", ["rollout", "status", ...what, "--timeout=120s"]);
  return Number(stdout);
}

/**
 * The API learns of the key by a watch, and the address may still lead to a replica that is shutting down.
 */
async function untilKeyWorks(target: Target): Promise<void> {
  const until = Date.now() + 30_000;
  for (let accepted = 0; accepted < 20; ) {
    try {
      await trigger(target);
      accepted++;
    } catch (error) {
      accepted = 0;
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function quantile(list: readonly number[], q: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
