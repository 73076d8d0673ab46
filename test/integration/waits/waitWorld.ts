/**
 * API, controller, Redis and bucket on a real API server, without a kubelet: the test is the Job controller
 * and the runner of each attempt. Any part can be killed and started again.
 */
import { randomUUID } from "node:crypto";
import type { WaitAnswer } from "@fairlead/protocol/runnerApi";
import { Registry } from "prom-client";
import { waitFor } from "../../../hack/lib/wait.ts";
import { readConfig } from "../../../operator/src/config.ts";
import { Controller } from "../../../operator/src/controller/controller.ts";
import { Jobs, Pods } from "../../../operator/src/kube/resources.ts";
import { TaskRuns, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type TaskRun } from "../../../operator/src/model/resources.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { RunTokens } from "../../../operator/src/runs/runToken.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";

const ServiceAccounts = {
  ...{ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true },
};
const soon = { timeoutMs: 30_000, intervalMs: 10 };

/** One attempt, as its runner knows it. */
export interface Attempt {
  /** `run_…`. */
  id: string;
  name: string;
  number: number;
  token: string;
  podUid: string;
}

export class WaitWorld {
  readonly api: ApiReplica;
  readonly redis: RedisServer;
  readonly tokens = new RunTokens("signing-key");
  #term = 0;
  #endTerm: () => Promise<void> = async () => undefined;

  private constructor(api: ApiReplica, redis: RedisServer) {
    this.api = api;
    this.redis = redis;
  }

  static async start(): Promise<WaitWorld> {
    const [api, redis] = await Promise.all([ApiReplica.start(), RedisServer.start()]);
    const world = new WaitWorld(api, redis);
    await api.client
      .create(ServiceAccounts, namespace, {
        ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } },
      })
      .catch(() => undefined);
    await world.lead();
    return world;
  }

  async stop(): Promise<void> {
    await this.#endTerm();
    await this.api.stop();
    await this.redis.stop();
  }

  /** Another controller leads; the one before it has died. */
  async lead(): Promise<void> {
    await this.#endTerm();
    const term = ++this.#term;
    const config = readConfig({
      FAIRLEAD_NAMESPACE: "test",
      FAIRLEAD_FULLNAME: "fairlead",
      FAIRLEAD_S3_BUCKET: "test",
      FAIRLEAD_S3_SECRET: "unused",
      FAIRLEAD_SIGNING_SECRET: "unused",
      FAIRLEAD_API_KEY_SECRET: "unused",
      FAIRLEAD_API_URL: "http://api",
      FAIRLEAD_S3_ENDPOINT: "http://s3",
      FAIRLEAD_REDIS_URL: this.redis.url,
    });
    const redis = connectRedis(this.redis.url);
    const { client, store } = this.api;
    const controller = new Controller({
      ...{ client, store, tokens: this.tokens, redis, config, log: quiet },
      ...{ metrics: new Registry(), installation: "release.uid", term: () => term },
      onFenced: () => undefined,
    });
    const ends = new AbortController();
    const led = controller.lead(ends.signal);
    this.#endTerm = async () => {
      ends.abort();
      await led;
      redis.disconnect();
    };
  }

  async createTask(id: string, queue?: { name: string; concurrencyLimit?: number }): Promise<void> {
    const metadata = { name: id, namespace } as TaskRun["metadata"];
    const spec = { image: "example/image", entry: "tasks.ts", ...(queue && { queue }) };
    await this.api.client.create(Tasks, namespace, { apiVersion, kind: "Task", metadata, spec });
  }

  async trigger(task: string, options: object = {}): Promise<string> {
    const body = JSON.stringify({ payload: {}, options });
    const response = await this.api.fetch(`/api/v1/tasks/${task}/trigger`, { method: "POST", body });
    const answer = (await response.json()) as { id: string; error?: string };
    if (!response.ok) throw new Error(`${response.status} ${answer.error}`);
    return answer.id;
  }

  /** As code of the parent's attempt triggers a child that it waits for. */
  child = (parent: Attempt, task: string, options: object = {}): Promise<string> =>
    this.trigger(task, { ...options, parentRunId: parent.id, resumeParentOnCompletion: true });

  async run(id: string): Promise<TaskRun> {
    const run = await this.api.client.get(TaskRuns, namespace, id.slice("run_".length));
    if (!run) throw new Error(`there is no ${id}`);
    return run;
  }

  untilPhase(id: string, ...phases: string[]): Promise<TaskRun> {
    let last: TaskRun | undefined;
    return waitFor(
      `${id} to be ${phases.join(" or ")}`,
      async () => {
        last = await this.run(id);
        return phases.includes(last.status?.phase ?? "New") && last;
      },
      { ...soon, describe: () => JSON.stringify(last?.status) },
    );
  }

  /** The run has its slot and its Job: its container runs, and its code begins. */
  async begin(id: string): Promise<Attempt> {
    const name = id.slice("run_".length);
    const { client } = this.api;
    let last: TaskRun | undefined;
    const job = await waitFor(
      `the Job of ${id}`,
      async () => {
        last = await this.run(id);
        const current = last.status?.phase === "Starting" ? last.status.attempts?.at(-1) : undefined;
        return current && (await client.get(Jobs, namespace, current.job));
      },
      { ...soon, describe: () => JSON.stringify(last?.status) },
    );
    const { name: jobName = "", labels = {}, uid: jobUid = "" } = job.metadata ?? {};
    const owner = { apiVersion: "batch/v1", kind: "Job", name: jobName, uid: jobUid, controller: true };
    const pod = await client.create(Pods, namespace, {
      metadata: { name: `${jobName}-x`, namespace, labels, ownerReferences: [owner] },
      spec: { nodeName: "node-1", containers: [{ name: "main", image: "i" }] },
    } as never);
    const main = { name: "main", image: "i", imageID: "", ready: true, restartCount: 0 };
    const state = { running: { startedAt: new Date().toISOString() as never } };
    const options = { type: "merge", subresource: "status" } as const;
    const status = { phase: "Running", containerStatuses: [{ ...main, state }] };
    await client.patch(Pods, namespace, `${jobName}-x`, { status } as never, options);
    const number = last?.status?.attempt ?? 0;
    const podUid = pod.metadata?.uid ?? randomUUID();
    const retry = { maxAttempts: 3, factor: 1, minTimeoutInMs: 1, maxTimeoutInMs: 1, randomize: false };
    const access = ["read:all"];
    const uid = last?.metadata.uid ?? "";
    const token = await this.tokens.sign({
      ns: namespace,
      run: name,
      uid,
      attempt: number,
      retry,
      podUid,
      access,
    } as never);
    const attempt = { id, name, number, token, podUid };
    await this.untilPhase(id, "Executing");
    return attempt;
  }

  /** A call of the runner. */
  async call(attempt: Attempt, path: string, body: object, signal?: AbortSignal): Promise<Response> {
    const headers = { authorization: `Bearer ${attempt.token}` };
    const url = `/engine/v1/attempt/${path}`;
    return this.api.fetch(url, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  }

  async wait(attempt: Attempt, on: string[], slot?: number, signal?: AbortSignal): Promise<WaitAnswer> {
    const response = await this.call(attempt, "wait", { on, slot }, signal);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as WaitAnswer;
  }

  async complete(attempt: Attempt, output: unknown = { n: 1 }): Promise<void> {
    const now = new Date().toISOString();
    const data = JSON.stringify(output);
    const report = {
      ...{ v: 1, attempt: attempt.number, podUid: attempt.podUid, outcome: "completed" },
      ...{ startedAt: now, finishedAt: now, output: { data, size: data.length, type: "application/json" } },
    };
    const response = await this.call(attempt, "report", report);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  }
}
