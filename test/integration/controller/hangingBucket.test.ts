/**
 * A bucket that accepts connections and answers nothing, and forty runs that need it: for all the others, and
 * for those forty, everything goes on that needs no bucket. The test is the kubelet.
 */
import { attemptLabel, managedByLabel, managerName, runLabel, runUidLabel } from "@fairlead/protocol/labels";
import type { V1Pod, V1PodStatus } from "@kubernetes/client-node";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { readConfig } from "../../../operator/src/config.ts";
import { Controller } from "../../../operator/src/controller/controller.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Jobs, Namespaces, Pods } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta, type TaskRun } from "../../../operator/src/model/resources.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";

const namespace = "hanging";
const ends: (() => unknown)[] = [];
let client: KubeClient;
let bucket: ObjectStoreServer;

beforeAll(async () => {
  const servers = await Promise.all([ApiServer.start(), ObjectStoreServer.start(), RedisServer.start()]);
  for (const server of servers) ends.push(() => server.stop());
  const [api, store, redisServer] = servers;
  bucket = store;
  client = api.client();
  ends.push(() => client.close());
  await client.create(Namespaces, undefined, { metadata: { name: namespace } });
  // Without one, no pod is accepted.
  const accounts = {
    group: "",
    version: "v1",
    plural: "serviceaccounts",
    kind: "ServiceAccount",
    namespaced: true,
  };
  await client.create(accounts, namespace, {
    ...{ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace } },
  });
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
  const redis = connectRedis(redisServer.url);
  const own = api.client();
  const controller = new Controller({
    ...{ client: own, store: bucket.store(), redis },
    ...{
      metrics: new Registry(),
      installation: "release.uid",
      term: () => 1,
      onFenced: () => undefined,
      config,
      log: quiet,
    },
  });
  const term = new AbortController();
  const led = controller.lead(term.signal);
  ends.push(async () => {
    bucket.resume();
    term.abort();
    await led;
    redis.disconnect();
    await own.close();
  });
}, 60_000);

afterAll(async () => {
  for (const end of ends.reverse()) await end();
}, 60_000);

const container = { image: "example/image" };

const createRun = (name: string, spec: Partial<TaskRun["spec"]> = {}): Promise<TaskRun> =>
  client.create(TaskRuns, namespace, {
    ...{
      apiVersion,
      kind: "TaskRun",
      metadata: { name, namespace } as ObjectMeta,
      spec: { container, ...spec },
    },
  });

function untilRun(name: string, fits: (status: NonNullable<TaskRun["status"]>) => boolean): Promise<TaskRun> {
  let last: TaskRun | undefined;
  return waitFor(
    `TaskRun ${name}`,
    async () => {
      last = await client.get(TaskRuns, namespace, name);
      return last?.status !== undefined && fits(last.status) && last;
    },
    { timeoutMs: 20_000, intervalMs: 50, describe: () => JSON.stringify(last?.status) },
  );
}

const untilPhase = (name: string, phase: string) => untilRun(name, (status) => status.phase === phase);

/** What the Job controller and a kubelet do: the attempt's pod, in that state. */
async function pod(run: TaskRun, attempt: number, status: V1PodStatus): Promise<void> {
  const { name, uid } = run.metadata;
  const job = `${name}-${attempt}`;
  await waitFor(`Job ${job}`, () => client.get(Jobs, namespace, job), { intervalMs: 50 });
  const labels = {
    ...{
      [managedByLabel]: managerName,
      [runLabel]: name,
      [runUidLabel]: uid,
      [attemptLabel]: String(attempt),
    },
  };
  const created: V1Pod = {
    metadata: { name: `${job}-x`, namespace, labels },
    spec: { nodeName: "node-1", containers: [{ name: "main", image: "i" }] },
  };
  await client.create(Pods, namespace, created as never);
  await setPod(job, status);
}

const setPod = (job: string, status: V1PodStatus): Promise<unknown> =>
  client.patch(Pods, namespace, `${job}-x`, { status }, { type: "merge", subresource: "status" });

const now = (): Date => new Date().toISOString() as unknown as Date;
const main = { name: "main", image: "i", imageID: "", ready: false, restartCount: 0 };
const isRunning = (): V1PodStatus => ({
  ...{ phase: "Running", containerStatuses: [{ ...main, state: { running: { startedAt: now() } } }] },
});
const hasEnded = (exitCode: number): V1PodStatus => ({
  phase: exitCode === 0 ? "Succeeded" : "Failed",
  containerStatuses: [{ ...main, state: { terminated: { exitCode, finishedAt: now() } } }],
});

test("cancel, maxDuration, retries and ttl go on while forty runs wait for a bucket that hangs", async () => {
  const queue = { name: "one", concurrencyLimit: 1 };
  await createRun("holder", { queue });
  await untilPhase("holder", "Starting");
  bucket.pause();

  const names = Array.from({ length: 40 }, (_, n) => `stuck-${n}`);
  const stuck = await Promise.all(names.map((name) => createRun(name)));
  await Promise.all(stuck.map((run) => pod(run, 1, hasEnded(0))));

  const expiring = createRun("expiring", { queue, ttlSeconds: 1 });
  const [canceled, overdue, retried] = await Promise.all([
    createRun("canceled"),
    createRun("overdue", { maxDurationSeconds: 5 }),
    createRun("retried", { maxAttempts: 2, retry: { minTimeoutInMs: 0 } }),
  ]);
  await Promise.all([
    pod(canceled, 1, isRunning()),
    pod(overdue, 1, isRunning()),
    pod(retried, 1, hasEnded(1)),
    expiring,
  ]);
  await untilPhase("canceled", "Executing");
  for (const name of ["canceled", "stuck-39"])
    await client.patch(TaskRuns, namespace, name, { spec: { cancelRequested: true } }, { type: "merge" });

  await untilPhase("canceled", "Stopping");
  await setPod("canceled-1", hasEnded(143));
  await Promise.all([
    untilPhase("canceled", "Canceled"),
    untilPhase("stuck-39", "Canceled"),
    untilPhase("overdue", "Stopping"),
    untilRun("retried", ({ attempt }) => attempt === 2),
    untilPhase("expiring", "Expired"),
  ]);
  const waiting = await client.get(TaskRuns, namespace, "stuck-0");
  expect(waiting?.status?.phase).not.toBe("Completed");

  bucket.resume();
  await untilPhase("stuck-0", "Completed");
}, 90_000);
