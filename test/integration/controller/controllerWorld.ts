/**
 * A real API server, Redis, bucket and controller with one namespace, without a kubelet or any controller of
 * Kubernetes': the test plays them. The controller has the rights of its service account, and no more.
 */
import type { V1Job, V1PodStatus } from "@kubernetes/client-node";
import { Registry } from "prom-client";
import { waitFor } from "../../../hack/lib/wait.ts";
import { readConfig } from "../../../operator/src/config.ts";
import { Controller } from "../../../operator/src/controller/controller.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Namespaces, Pods } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta, type TaskRun } from "../../../operator/src/model/resources.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { RunTokens } from "../../../operator/src/runs/runToken.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";
import { accountOf, installOwnRights } from "../../support/servers/ownRights.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";

const release = "fairlead-system";
const ServiceAccounts = {
  ...{ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true },
};

export class ControllerWorld {
  readonly namespace: string;
  readonly client: KubeClient;
  readonly redis: RedisServer;
  readonly metrics = new Registry();
  readonly #ends: (() => unknown)[] = [];

  private constructor(namespace: string, client: KubeClient, redis: RedisServer) {
    this.namespace = namespace;
    this.client = client;
    this.redis = redis;
  }

  static async start(namespace: string, wrap = (store: ObjectStore) => store): Promise<ControllerWorld> {
    const servers = await Promise.all([ApiServer.start(), ObjectStoreServer.start(), RedisServer.start()]);
    const [api, bucket, redisServer] = servers;
    const client = api.client();
    const world = new ControllerWorld(namespace, client, redisServer);
    world.#ends.push(...servers.map((server) => () => server.stop()), () => client.close());
    for (const name of [namespace, release])
      await client.create(Namespaces, undefined, { metadata: { name } });
    await installOwnRights(client, release);
    // Without one, no pod is accepted.
    await client.create(ServiceAccounts, namespace, {
      ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } },
    });
    const config = readConfig({
      FAIRLEAD_NAMESPACE: release,
      FAIRLEAD_FULLNAME: "fairlead",
      FAIRLEAD_S3_BUCKET: "test",
      FAIRLEAD_S3_SECRET: "unused",
      FAIRLEAD_SIGNING_SECRET: "unused",
      FAIRLEAD_API_KEY_SECRET: "unused",
      FAIRLEAD_API_URL: "http://api",
      FAIRLEAD_S3_ENDPOINT: "http://s3",
      FAIRLEAD_REDIS_URL: redisServer.url,
    });
    const redis = connectRedis(redisServer.url);
    const own = api.client({}, accountOf(release, "controller"));
    const controller = new Controller({
      ...{ client: own, store: wrap(bucket.store()), tokens: new RunTokens("k".repeat(64)), redis },
      ...{ metrics: world.metrics, installation: "release.uid", term: () => 1 },
      ...{ onFenced: () => undefined, config, log: quiet },
    });
    const term = new AbortController();
    const led = controller.lead(term.signal);
    world.#ends.push(async () => {
      term.abort();
      await led;
      redis.disconnect();
      await own.close();
    });
    return world;
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.reverse()) await end();
  }

  createRun(name: string, spec: Partial<TaskRun["spec"]> = {}): Promise<TaskRun> {
    const metadata = { name, namespace: this.namespace } as ObjectMeta;
    return this.client.create(TaskRuns, this.namespace, {
      ...{ apiVersion, kind: "TaskRun", metadata },
      spec: { container: { image: "example/image" }, ...spec },
    });
  }

  untilRun(name: string, fits: (status: NonNullable<TaskRun["status"]>) => boolean): Promise<TaskRun> {
    let last: TaskRun | undefined;
    return waitFor(
      `TaskRun ${name}`,
      async () => {
        last = await this.client.get(TaskRuns, this.namespace, name);
        return last?.status !== undefined && fits(last.status) && last;
      },
      { timeoutMs: 30_000, intervalMs: 50, describe: () => JSON.stringify(last?.status) },
    );
  }

  cancel(name: string): Promise<unknown> {
    return this.client.patch(
      ...([TaskRuns, this.namespace, name, { spec: { cancelRequested: true } }, { type: "merge" }] as const),
    );
  }

  /** What the Job controller does, and the scheduler when there is a node. */
  async createPod(job: V1Job, nodeName?: string): Promise<void> {
    const { name = "", labels = {}, uid = "" } = job.metadata ?? {};
    const owner = { apiVersion: "batch/v1", kind: "Job", name, uid, controller: true };
    await this.client.create(Pods, this.namespace, {
      metadata: { name: `${name}-x`, namespace: this.namespace, labels, ownerReferences: [owner] },
      spec: { ...(nodeName && { nodeName }), containers: [{ name: "main", image: "i" }] },
    } as never);
  }

  setPod(job: string, status: V1PodStatus): Promise<unknown> {
    const options = { type: "merge", subresource: "status" } as const;
    return this.client.patch(Pods, this.namespace, `${job}-x`, { status }, options);
  }
}
