/**
 * The whole controller as production composes it, against a real API server, Redis and bucket, without a
 * kubelet: a run comes as far as its Job. Two processes, of which one leads.
 */
import type { Redis } from "ioredis";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { readConfig } from "../../../operator/src/config.ts";
import { Controller } from "../../../operator/src/controller/controller.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import {
  Events,
  Jobs,
  type KubeObject,
  Leases,
  Namespaces,
  Pods,
  type Resource,
} from "../../../operator/src/kube/resources.ts";
import { TaskQueues, TaskRuns, TaskSchedules, Tasks } from "../../../operator/src/model/kinds.ts";
import { apiVersion, type ObjectMeta, type TaskRun } from "../../../operator/src/model/resources.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { quiet } from "../../support/quiet.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";
import { accountOf, installOwnRights } from "../../support/servers/ownRights.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";

const namespace = "controller";
const release = "fairlead";
const ServiceAccounts: Resource<KubeObject> = {
  ...{ group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount", namespaced: true },
};
const ends: (() => unknown)[] = [];
let api: ApiServer;
let client: KubeClient;
let leader: Process;
let standby: Process;

interface Process {
  controller: Controller;
  metrics: Registry;
  redis: Redis;
}

beforeAll(async () => {
  const servers = await Promise.all([ApiServer.start(), ObjectStoreServer.start(), RedisServer.start()]);
  for (const server of servers) ends.push(() => server.stop());
  const [apiServer, bucket, redisServer] = servers;
  api = apiServer;
  client = api.client();
  ends.push(() => client.close());
  for (const name of [namespace, release]) await client.create(Namespaces, undefined, { metadata: { name } });
  await installOwnRights(client, release);
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
  const start = async (): Promise<Process> => {
    const redis = connectRedis(redisServer.url);
    const metrics = new Registry();
    // As its service account: what it does is what its rights allow.
    const own = api.client({}, accountOf(release, "controller"));
    const options = {
      client: own,
      store: bucket.store(),
      redis,
      metrics,
    };
    const controller = new Controller({
      ...options,
      installation: "release.uid",
      term: () => 1,
      onFenced: () => undefined,
      config,
      log: quiet,
    });
    const stop = new AbortController();
    await controller.sync(stop.signal);
    ends.push(async () => {
      stop.abort();
      redis.disconnect();
      await own.close();
    });
    return { controller, metrics, redis };
  };
  [leader, standby] = [await start(), await start()];
  const term = new AbortController();
  const led = leader.controller.lead(term.signal);
  ends.push(async () => {
    term.abort();
    await led;
  });
});

afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

const metadata = (name: string) => ({ name, namespace }) as ObjectMeta;
const image = "example/image";

const createRun = (name: string, spec: TaskRun["spec"]): Promise<TaskRun> =>
  client.create(TaskRuns, namespace, { apiVersion, kind: "TaskRun", metadata: metadata(name), spec });

function untilRun(name: string, what: string, fits: (run: TaskRun) => boolean): Promise<TaskRun> {
  let last: TaskRun | undefined;
  return waitFor(
    `TaskRun ${name} ${what}`,
    async () => {
      last = await client.get(TaskRuns, namespace, name);
      return last !== undefined && fits(last) && last;
    },
    { timeoutMs: 15_000, intervalMs: 20, describe: () => JSON.stringify(last?.status) },
  );
}

const untilStarting = (name: string) =>
  untilRun(name, "is Starting", ({ status }) => status?.phase === "Starting");

const untilSlotFree = (name: string) =>
  untilRun(name, "has ended", ({ status }) => status?.finishedAt !== undefined);

const cancel = (name: string) =>
  client.patch(TaskRuns, namespace, name, { spec: { cancelRequested: true } }, { type: "merge" });

test("a run waits for its Task, starts when the Task is applied, and gets its Job and its Events", async () => {
  await createRun("early", { task: "mail" });
  await untilRun("early", "waits", ({ status }) => status?.reason === "TaskNotFound");
  await client.create(Tasks, namespace, {
    ...{ apiVersion, kind: "Task", metadata: metadata("mail"), spec: { image } },
  });
  await untilStarting("early");
  const job = await waitFor("the Job", () => client.get(Jobs, namespace, "early-1"), { intervalMs: 20 });
  expect(job.metadata?.ownerReferences?.[0]?.name).toBe("early");
  await waitFor("the Events", async () => {
    const { items } = await client.list(Events, namespace, { fieldSelector: "involvedObject.name=early" });
    const reasons = items.map(({ reason }) => reason);
    return ["Queued", "TaskNotFound", "Starting"].every((reason) => reasons.includes(reason));
  });
  expect((await client.get(Tasks, namespace, "mail"))?.status?.conditions).toMatchObject([
    { type: "Ready", status: "True", reason: "Accepted" },
  ]);
});

test("a run that is too big for the caches gets a Job with all that it asks for", async () => {
  const args = [`#${"x".repeat(30_000)}`];
  const env = [{ name: "LONG", value: "y".repeat(30_000) }];
  await createRun("big", { container: { image, args, env }, metadata: { text: "z".repeat(10_000) } });
  await untilStarting("big");
  const job = await waitFor("the Job", () => client.get(Jobs, namespace, "big-1"), { intervalMs: 20 });
  const [main] = job.spec?.template.spec?.containers ?? [];
  expect(main?.args).toEqual(args);
  expect(main?.env).toContainEqual(env[0]);
});

test("the settings of a TaskQueue reach admission when they change, by the name that runs use", async () => {
  const settings = (spec: object) =>
    client.patch(TaskQueues, namespace, "q-resource", { spec }, { type: "merge" });
  await client.create(TaskQueues, namespace, {
    ...{ apiVersion, kind: "TaskQueue", metadata: metadata("q-resource") },
    spec: { name: "a/queue", concurrencyLimit: 1 },
  });
  const spec = { container: { image }, queue: { name: "a/queue" } };
  await createRun("first", spec);
  await untilStarting("first");
  await createRun("second", spec);
  const second = await untilRun("second", "waits", ({ status }) => status?.reason === "QueueFull");
  expect(second.status).toMatchObject({
    message: 'The queue "a/queue" lets 1 run execute at once, and 1 has a slot. Place 1 of 1 in line.',
    waiting: { queue: "a/queue", limit: 1, running: 1, place: 1, queued: 1 },
  });
  await waitFor("the counts in the status", async () => {
    const { status } = (await client.get(TaskQueues, namespace, "q-resource")) ?? {};
    return status?.running === 1 && status.queued === 1;
  });
  await settings({ concurrencyLimit: 2 });
  await untilStarting("second");
});

test("a run whose queue is paused while it waits says so, with an Event", async () => {
  const spec = { container: { image }, queue: { name: "halted", concurrencyLimit: 1 } };
  await createRun("busy", spec);
  await untilStarting("busy");
  await createRun("halted", spec);
  await untilRun("halted", "waits", ({ status }) => status?.reason === "QueueFull");
  await client.patch(TaskQueues, namespace, "halted", { spec: { paused: true } }, { type: "merge" });
  await untilRun("halted", "says why", ({ status }) => status?.reason === "QueuePaused");
  await waitFor("its Event", async () => {
    const { items } = await client.list(Events, namespace, { fieldSelector: "involvedObject.name=halted" });
    return items.some(({ reason }) => reason === "QueuePaused");
  });
});

test("a slot that becomes free goes to the run that waits for it", async () => {
  const spec = { container: { image }, queue: { name: "narrow", concurrencyLimit: 1 } };
  await createRun("one", spec);
  await untilStarting("one");
  await createRun("two", spec);
  await untilRun("two", "is Queued", ({ status }) => status?.phase === "Queued");
  await cancel("one");
  await untilSlotFree("one");
  await untilStarting("two");
});

test("the slot of a deleted run is free when its Job and its container are gone, and not before", async () => {
  const spec = { container: { image }, queue: { name: "single", concurrencyLimit: 1 } };
  await createRun("gone", spec);
  const gone = await untilStarting("gone");
  const job = await waitFor("the Job", () => client.get(Jobs, namespace, "gone-1"), { intervalMs: 20 });
  const pod = {
    name: "gone-1-pod",
    namespace,
    labels: job.metadata?.labels,
    annotations: job.metadata?.annotations,
  };
  await client.create(ServiceAccounts, namespace, { metadata: { name: "default", namespace } });
  await client.create(Pods, namespace, {
    metadata: pod,
    spec: { nodeName: "a-node", containers: [{ name: "main", image }] },
  });
  await createRun("next", spec);
  await untilRun("next", "is Queued", ({ status }) => status?.phase === "Queued");
  await client.delete(TaskRuns, namespace, "gone", { uid: gone.metadata.uid });
  await client.delete(Jobs, namespace, "gone-1", { propagationPolicy: "Background" });
  // Another run comes all the way after the deletion, which was seen before it.
  await createRun("meanwhile", { container: { image } });
  await untilStarting("meanwhile");
  expect((await client.get(TaskRuns, namespace, "next"))?.status?.phase).toBe("Queued");
  await client.delete(Pods, namespace, "gone-1-pod", { gracePeriodSeconds: 0 });
  await untilStarting("next");
});

test("a Task's own schedule becomes a TaskSchedule, whose status names the next ticks", async () => {
  const spec = { image, schedule: { cron: "0 4 * * *" } };
  await client.create(Tasks, namespace, { apiVersion, kind: "Task", metadata: metadata("nightly"), spec });
  const schedule = await waitFor("the schedule's status", async () => {
    const found = await client.get(TaskSchedules, namespace, "nightly-schedule");
    return found?.status?.nextScheduledAt !== undefined && found;
  });
  expect(schedule.status?.nextScheduledAt).toMatch(/T04:00:00/);
  expect(schedule.status?.conditions).toMatchObject([{ type: "Ready", status: "True", reason: "Active" }]);
});

test("a changed limit of the namespace reaches admission", async () => {
  const annotate = (limit: string | null) =>
    client.patch(
      Namespaces,
      undefined,
      namespace,
      { metadata: { annotations: { "fairlead.dev/concurrency-limit": limit } } },
      { type: "merge" },
    );
  await annotate("1");
  // The queues read it from the API server; a run that is created now asks them.
  await waitFor("no run is admitted", async () => {
    const name = `probe-${Date.now()}`;
    await createRun(name, { container: { image } });
    await untilRun(name, "is accepted", ({ status }) => status?.phase !== undefined);
    const run = await client.get(TaskRuns, namespace, name);
    await cancel(name);
    return run?.status?.phase === "Queued";
  });
  await createRun("held", { container: { image } });
  await untilRun("held", "is Queued", ({ status }) => status?.phase === "Queued");
  await annotate(null);
  await untilStarting("held");
});

test("in a namespace of another release nothing is done, which an Event says, until its claim is gone", async () => {
  const theirs = "theirs";
  await client.create(Namespaces, undefined, { metadata: { name: theirs } });
  const renewTime = new Date().toISOString().replace("Z", "000Z");
  await client.create(Leases, theirs, {
    metadata: {
      name: "fairlead-owner",
      namespace: theirs,
      labels: { "fairlead.dev/namespace-owner": "true" },
    },
    spec: { holderIdentity: "other/fairlead", renewTime, leaseDurationSeconds: 900 },
  });
  const metadata = { name: "held", namespace: theirs } as ObjectMeta;
  const spec = { container: { image } };
  await client.create(TaskRuns, theirs, { apiVersion, kind: "TaskRun", metadata, spec });
  const event = await waitFor("the Event", async () => {
    const { items } = await client.list(Events, theirs, { fieldSelector: "involvedObject.name=held" });
    return items.find(({ reason }) => reason === "NamespaceNotOwned");
  });
  expect(event.message).toContain("Namespace theirs belongs to the Fairlead release other/fairlead");
  expect(leader.controller.notes()).toEqual([event.message]);
  expect(await leader.metrics.metrics()).toMatch(/fairlead_namespaces_refused 1/);
  expect((await client.get(TaskRuns, theirs, "held"))?.status).toBeUndefined();
  await client.delete(Leases, theirs, "fairlead-owner");
  await waitFor("the run to start", async () => {
    return (await client.get(TaskRuns, theirs, "held"))?.status?.phase === "Starting";
  });
  expect(leader.controller.notes()).toEqual([]);
});

test("only the leader reconciles, and both report their metrics", async () => {
  const led = await leader.metrics.metrics();
  expect(led).toMatch(/fairlead_reconcile_total\{controller="taskRun"\} [1-9]/);
  expect(led).toMatch(/fairlead_workqueue_depth\{controller="taskBatch"\} 0/);
  expect(led).toMatch(/fairlead_runs\{phase="Starting"\} [1-9]/);
  expect(await standby.metrics.metrics()).toMatch(/fairlead_reconcile_total\{controller="taskRun"\} 0/);
});

test("a run that asks for the node's disk is Forbidden by the field, and no Job is ever created", async () => {
  const podTemplate = { volumes: [{ name: "host", hostPath: { path: "/" } }] };
  await createRun("host", { container: { image }, podTemplate });
  const { status } = await untilRun("host", "has ended", ({ status }) => status?.phase === "Failed");
  expect(status).toMatchObject({ reason: "Forbidden" });
  expect(status?.message).toMatch(/spec\.podTemplate\.volumes\[0\]\.hostPath: .*podPolicy\.volumeTypes/);
  expect(status?.attempts ?? []).toEqual([]);
  expect(await client.get(Jobs, namespace, "host-1")).toBeUndefined();
});

test("a run may not put its environment over its Task's, unless the Task lets it", async () => {
  const spec = (allowOverrides?: ["env"]) => ({ image, ...(allowOverrides && { allowOverrides }) });
  for (const [name, overrides] of [["closed", undefined] as const, ["open", ["env"] as ["env"]] as const])
    await client.create(Tasks, namespace, {
      ...{ apiVersion, kind: "Task", metadata: metadata(name), spec: spec(overrides) },
    });
  const podTemplate = { env: [{ name: "NODE_OPTIONS", value: "--import=data:text/javascript,1" }] };
  await createRun("over-closed", { task: "closed", podTemplate });
  await createRun("over-open", { task: "open", podTemplate });
  const closed = await untilRun("over-closed", "has ended", ({ status }) => status?.phase === "Failed");
  expect(closed.status?.message).toMatch(/spec\.podTemplate\.env: .*spec\.allowOverrides of the Task/);
  await waitFor("the other has its Job", () => client.get(Jobs, namespace, "over-open-1"));
  expect(await client.get(Jobs, namespace, "over-closed-1")).toBeUndefined();
});
