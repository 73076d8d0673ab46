/**
 * What waiting runs, their queue and the metrics say while nothing is admitted: Redis is away, or the bucket,
 * which knows the keys that were used. A real API server, Redis and controller; no kubelet.
 */
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { readConfig } from "../../../operator/src/config.ts";
import { Controller } from "../../../operator/src/controller/controller.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Events, Namespaces } from "../../../operator/src/kube/resources.ts";
import { TaskQueues, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta, type TaskRun } from "../../../operator/src/model/resources.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { RunTokens } from "../../../operator/src/runs/runToken.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";

const namespace = "closed";
const ends: (() => unknown)[] = [];
const metrics = new Registry();
const bucket = { isDown: false };
let client: KubeClient;
let redisServer: RedisServer;

beforeAll(async () => {
  const servers = await Promise.all([ApiServer.start(), ObjectStoreServer.start(), RedisServer.start()]);
  for (const server of servers) ends.push(() => server.stop());
  const [api, store] = servers;
  redisServer = servers[2];
  client = api.client();
  ends.push(() => client.close());
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
  const config = readConfig({
    FAIRLEAD_NAMESPACE: namespace,
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
  const own = api.client();
  const controller = new Controller({
    ...{ client: own, store: failing(store.store()), tokens: new RunTokens("k".repeat(64)), redis, metrics },
    ...{ installation: "release.uid", term: () => 1, onFenced: () => undefined, config, log: quiet },
  });
  const term = new AbortController();
  const led = controller.lead(term.signal);
  ends.push(async () => {
    term.abort();
    await led;
    redis.disconnect();
    await own.close();
  });
}, 60_000);

afterAll(async () => {
  for (const end of ends.reverse()) await end();
}, 60_000);

/** Each request fails while the bucket is down. */
const failing = (store: ObjectStore): ObjectStore =>
  new Proxy(store, {
    get(target, property) {
      const value = Reflect.get(target, property) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (bucket.isDown) throw new Error("connect ECONNREFUSED");
        return Reflect.apply(value, target, args);
      };
    },
  });

const createRun = (name: string, spec: Partial<TaskRun["spec"]> = {}): Promise<TaskRun> =>
  client.create(TaskRuns, namespace, {
    ...{ apiVersion, kind: "TaskRun", metadata: { name, namespace } as ObjectMeta },
    spec: { container: { image: "example/image" }, ...spec },
  });

function untilRun(name: string, fits: (status: NonNullable<TaskRun["status"]>) => boolean): Promise<TaskRun> {
  let last: TaskRun | undefined;
  return waitFor(
    `TaskRun ${name}`,
    async () => {
      last = await client.get(TaskRuns, namespace, name);
      return last?.status !== undefined && fits(last.status) && last;
    },
    { timeoutMs: 30_000, intervalMs: 50, describe: () => JSON.stringify(last?.status) },
  );
}

const admitting = async () => {
  const queue = await client.get(TaskQueues, namespace, "mail");
  return queue?.status?.conditions?.find(({ type }) => type === "Admitting");
};

const isClosed = async () =>
  /fairlead_admission_closed\{namespace="closed"\} 1/.test(await metrics.metrics());

test("while Redis is away, waiting runs, their queue, an Event and a metric say so, and it ends by itself", async () => {
  const queue = { name: "mail", concurrencyLimit: 1 };
  await createRun("holder", { queue });
  await untilRun("holder", ({ phase }) => phase === "Starting");
  await redisServer.kill();
  await createRun("before", { queue });
  const told = await untilRun("before", ({ reason }) => reason === "AdmissionClosed");
  expect(told.status).toMatchObject({
    phase: "Queued",
    message: expect.stringMatching(/^No run starts in namespace closed now: Redis does not answer\./),
  });
  await waitFor("the Event", async () => {
    const { items } = await client.list(Events, namespace);
    return items.some(
      ({ type, reason, involvedObject }) =>
        type === "Warning" && reason === "AdmissionClosed" && involvedObject.name === "before",
    );
  });
  await waitFor("the condition", async () => (await admitting())?.status === "False");
  expect(await admitting()).toMatchObject({
    reason: "AdmissionClosed",
    message: expect.stringMatching(/Redis does not answer/),
  });
  expect(await isClosed()).toBe(true);

  await redisServer.run();
  await untilRun("before", ({ reason }) => reason === "QueueFull");
  await waitFor("the condition", async () => (await admitting())?.status === "True");
  expect(await isClosed()).toBe(false);
  await client.patch(TaskRuns, namespace, "holder", { spec: { cancelRequested: true } }, { type: "merge" });
  await untilRun("before", ({ phase }) => phase === "Starting");
}, 90_000);

test("a keyed run that waits for the bucket says so, and starts when it is back", async () => {
  bucket.isDown = true;
  await createRun("keyed", { ttlSecondsAfterFinished: 600 });
  const told = await untilRun("keyed", ({ reason }) => reason === "StorageUnavailable");
  expect(told.status).toMatchObject({
    phase: "Queued",
    message: expect.stringMatching(/^Object storage does not answer/),
  });
  bucket.isDown = false;
  await untilRun("keyed", ({ phase }) => phase === "Starting");
}, 60_000);
