/** RedisAdmission as a controller uses it, while Redis and the leader fail. */
import type { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import type { PendingRun } from "../../../operator/src/queue/admission.ts";
import type { AdmissionSource } from "../../../operator/src/queue/clusterState.ts";
import { AdmissionClosedError } from "../../../operator/src/queue/namespaceAdmission.ts";
import { RedisAdmission } from "../../../operator/src/queue/redisAdmission.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";
import { TcpProxy } from "../../support/servers/tcpProxy.ts";
import { FakeCluster, FakeController } from "./fakeCluster.ts";
import { redisContents } from "./redisContents.ts";

let server: RedisServer;
let clients: Redis[];
const stop: AbortController[] = [];

beforeEach(async () => {
  // Writes its file every second, as the chart's Redis does.
  server = await RedisServer.start("--appendonly", "yes", "--appendfsync", "everysec");
  clients = [];
});
afterEach(async () => {
  for (const one of stop.splice(0)) one.abort();
  for (const client of clients) client.disconnect();
  await server.stop();
});

const installation = "release.uid";
const namespace = "team-a";
const quiet = { info: () => undefined, warn: () => undefined };

function admissionOf(source: AdmissionSource, term: number, url = server.url): RedisAdmission {
  const redis = connectRedis(url);
  clients.push(redis);
  return new RedisAdmission({ redis, source, installation, term: () => term, log: quiet });
}

function runs(count: number, keys: number): PendingRun[] {
  return Array.from({ length: count }, (_, n) => ({
    namespace,
    name: `run-${n}`,
    uid: `uid-${n}`,
    queue: "mail",
    concurrencyKey: `tenant-${n % keys}`,
    enqueuedAtMs: n,
    prioritySeconds: 0,
    slot: 0,
  }));
}

/** A namespace whose runs and limits are given by the test. */
function fixed(limit: number, pending: PendingRun[] = []): AdmissionSource {
  return {
    limits: async () => ({ queues: [{ name: "mail", limit, paused: false }] }),
    runs: async () => ({ holders: [], pending }),
  };
}

async function started(source: AdmissionSource, term = 1, url = server.url) {
  const admission = admissionOf(source, term, url);
  const granted: string[] = [];
  const ends = new AbortController();
  stop.push(ends);
  await admission.start((grant) => granted.push(`${grant.uid}/${grant.slot}`), ends.signal);
  return { admission, granted, ends };
}

const contents = () => redisContents(clients[0] as Redis, namespace);

const soon = { timeoutMs: 20_000, intervalMs: 5 };

test("a released slot is granted to the next run, and a late release frees no newer slot", async () => {
  const [first, second] = runs(2, 1) as [PendingRun, PendingRun];
  const { admission, granted } = await started(fixed(1));
  await admission.enqueue(first);
  await admission.enqueue(second);
  await waitFor("the first grant", () => granted.length === 1, soon);
  await admission.release({ ...first, slot: 1 });
  await waitFor("the second grant", () => granted.length === 2, soon);
  await admission.enqueue({ ...first, slot: 1 });
  await admission.release({ ...first, slot: 1 });
  await admission.release({ ...second, slot: 0 });
  await waitFor("it waits again", async () => (await contents()).pending.length === 1, soon);
  expect(granted).toEqual(["uid-0/1", "uid-1/1"]);
  expect(await admission.confirm({ ...second, slot: 1 })).toBe(true);
  expect(await admission.confirm({ ...first, slot: 2 })).toBe(false);
});

test("a raised limit and a resumed queue admit at once", async () => {
  const { admission, granted } = await started(fixed(0));
  for (const run of runs(300, 150)) await admission.enqueue(run);
  await waitFor("all wait", async () => (await contents()).pending.length === 300, soon);
  admission.setQueueLimit(namespace, { name: "mail", limit: 1, paused: false });
  await waitFor("one of each key", () => granted.length === 150, soon);
  admission.setQueueLimit(namespace, { name: "mail", limit: 5, paused: true });
  await waitFor("paused", async () => (await contents()).ready.length === 0, soon);
  expect(granted.length).toBe(150);
  admission.setNamespaceLimit(namespace, 200);
  admission.setQueueLimit(namespace, { name: "mail", limit: 5, paused: false });
  await waitFor("up to the namespace's limit", () => granted.length === 200, soon);
  admission.setNamespaceLimit(namespace, null);
  await waitFor("all", () => granted.length === 300, soon);
});

test("admission is closed while Redis is down, confirms nothing, and catches up afterwards", async () => {
  const [first, second, third] = runs(3, 1) as [PendingRun, PendingRun, PendingRun];
  const truth: PendingRun[] = [];
  const { admission, granted } = await started(fixed(1, truth));
  await admission.enqueue(first);
  await waitFor("the first grant", () => granted.length === 1, soon);
  await server.kill();
  await waitFor("it is closed", () => !admission.isOpen(namespace), soon);
  await expect(admission.confirm({ ...first, slot: 1 })).rejects.toThrow(AdmissionClosedError);
  await admission.enqueue(second);
  await admission.enqueue(third);
  await admission.remove(namespace, second.uid);
  await server.run();
  await waitFor("the second grant", () => granted.length === 2, soon);
  // By the cluster no run holds a slot, so the first run's slot is lost with the epoch.
  expect(granted[1]).toBe("uid-2/1");
  expect(await admission.confirm({ ...first, slot: 1 })).toBe(false);
});

test("a Redis that vanishes without closing its connections is left, and the next one admits", async () => {
  const [first, second] = runs(2, 1) as [PendingRun, PendingRun];
  const proxy = await TcpProxy.open({ host: "127.0.0.1", port: server.port });
  try {
    const { admission, granted } = await started(fixed(1), 1, `redis://127.0.0.1:${proxy.port}`);
    await admission.enqueue(first);
    await waitFor("the first grant", () => granted.length === 1, soon);
    proxy.freeze();
    await admission.release({ ...first, slot: 1 });
    await admission.enqueue(second);
    await waitFor("the second grant, through another connection", () => granted.length === 2, soon);
    expect(proxy.accepted).toBeGreaterThan(1);
  } finally {
    await proxy.close();
  }
});

test("a leader that starts while Redis is down admits once Redis is up", async () => {
  await server.kill();
  const { admission, granted } = await started(fixed(1, runs(2, 1)));
  await admission.remove(namespace, "another");
  await expect(admission.confirm({ ...(runs(1, 1)[0] as PendingRun), slot: 1 })).rejects.toThrow(
    AdmissionClosedError,
  );
  await server.run();
  await waitFor("the grant", () => granted.length === 1, soon);
});

test("a leader that was replaced is refused and grants nothing more", async () => {
  const fenced: number[] = [];
  const redis = connectRedis(server.url);
  clients.push(redis);
  const source = fixed(1, runs(2, 1));
  const old = new RedisAdmission({
    redis,
    source,
    installation,
    term: () => 1,
    log: quiet,
    onFenced: (_, known) => fenced.push(known),
  });
  const granted: string[] = [];
  stop.push(new AbortController());
  await old.start((grant) => granted.push(grant.uid), (stop[0] as AbortController).signal);
  await old.enqueue(runs(1, 1)[0] as PendingRun);
  await waitFor("the old leader's grant", () => granted.length === 1, soon);
  const next = await started(source, 2);
  await next.admission.enqueue(runs(1, 1)[0] as PendingRun);
  await waitFor("the next leader's grant", () => next.granted.length === 1, soon);
  await old.release({ namespace, name: "run-0", uid: "uid-0", slot: 1 });
  await waitFor("it is fenced", () => fenced.length === 1, soon);
  expect(fenced).toEqual([2]);
  await expect(old.confirm({ namespace, name: "run-1", uid: "uid-1", slot: 1 })).rejects.toThrow(
    AdmissionClosedError,
  );
  expect(await next.admission.confirm({ namespace, name: "run-0", uid: "uid-0", slot: 1 })).toBe(true);
  expect(granted).toEqual(["uid-0"]);
});

test("a confirmed slot takes precedence over slots of other runs without a Job", async () => {
  const [first, second] = runs(2, 1) as [PendingRun, PendingRun];
  const source = fixed(1);
  const { admission, granted } = await started(source);
  await admission.enqueue(first);
  await waitFor("the grant", () => granted.length === 1, soon);
  expect(await admission.confirm({ ...first, slot: 1 })).toBe(true);
  const holders = [second, first].map((run) => ({ ...run, slot: 1, tentative: true }));
  source.runs = async () => ({ holders, pending: [] });
  await (clients[0] as Redis).flushall();
  await expect(admission.confirm({ ...first, slot: 1 })).rejects.toThrow(AdmissionClosedError);
  await waitFor("it is open again", () => admission.isOpen(namespace), soon);
  expect(await admission.confirm({ ...first, slot: 1 })).toBe(true);
  expect(await admission.confirm({ ...second, slot: 1 })).toBe(false);
});

test("a rebuild waits for what the holder of a slot does", async () => {
  const [first] = runs(1, 1) as [PendingRun];
  const source = fixed(1);
  let reads = 0;
  source.runs = async () => {
    reads++;
    return { holders: [], pending: [] };
  };
  const { admission, granted } = await started(source);
  await admission.enqueue(first);
  await waitFor("the grant", () => granted.length === 1, soon);
  const before = reads;
  const written = Promise.withResolvers<string>();
  const acting = admission.whileHeld({ ...first, slot: 1 }, () => written.promise);
  await expect(admission.whileHeld({ ...first, slot: 2 }, async () => "never")).resolves.toBe(undefined);
  await (clients[0] as Redis).flushall();
  await expect(admission.confirm({ ...first, slot: 1 })).rejects.toThrow(AdmissionClosedError);
  const meta = async () => (await (clients[0] as Redis).keys("*:meta")).length;
  await waitFor("the rebuild has begun", async () => (await meta()) === 1, soon);
  expect(reads).toBe(before);
  written.resolve("written");
  expect(await acting).toBe("written");
  await waitFor("the rebuild has read the runs", () => reads > before, soon);
});

test("a sweep releases a slot without a run, and adds a run's missing slot, when it sees them for the second time", async () => {
  const [first, second] = runs(2, 2) as [PendingRun, PendingRun];
  const { admission, granted } = await started(fixed(1));
  await admission.enqueue(first);
  await waitFor("the grant", () => granted.length === 1, soon);
  const holder = { ...second, slot: 4, tentative: false };
  const read = async (_: string, name: string) => (name === second.name ? holder : undefined);
  expect(await admission.sweep(namespace, [holder], read)).toEqual({ released: 0, added: 0 });
  expect(await admission.confirm({ ...first, slot: 1 })).toBe(true);
  expect(await admission.sweep(namespace, [holder], read)).toEqual({ released: 1, added: 1 });
  expect(await admission.confirm({ ...first, slot: 1 })).toBe(false);
  expect(await admission.confirm(holder)).toBe(true);
  expect(await admission.sweep(namespace, [holder], read)).toEqual({ released: 0, added: 0 });
});

test.each([1, 2, 3])(
  "600 runs, of which 200 wait twice, end within their limits whatever happens to Redis and the leader (%i)",
  async () => {
    const limit = { namespace: 8, queues: [{ name: "mail", limit: 3, paused: false }] };
    const cluster = new FakeCluster(limit);
    for (const [n, run] of runs(600, 4).entries())
      cluster.all.set(run.uid, { ...run, phase: "Queued", waits: n % 3 === 0 ? 2 : 0 });
    let term = 0;
    const lead = async (): Promise<void> => {
      term++;
      const controller = new FakeController(cluster, admissionOf(cluster, term));
      stop.push(controller.stop);
      await controller.start();
    };
    const other = connectRedis(server.url);
    clients.push(other);
    other.on("error", () => undefined);
    await other.connect();
    const disturbances: (() => Promise<unknown>)[] = [
      () => other.flushall(),
      // Restarts from its file, up to a second behind.
      async () => {
        await server.kill();
        await server.run();
        await waitFor("the other client is back", () => other.status === "ready", soon);
      },
      () => other.del(`fairlead:{${installation}:${namespace}}:holders`),
      // The previous leader continues, without knowing.
      () => lead(),
      () => other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
      async () => {
        stop.at(-1)?.abort();
        await lead();
      },
    ];
    let done = 0;
    let running = Promise.resolve<unknown>(undefined);
    cluster.onCompleted = (count) => {
      if (count < 25 * (done + 1) || count >= 590) return;
      const disturb = disturbances[done++ % disturbances.length];
      if (disturb) running = running.then(disturb);
    };
    await lead();
    await waitFor("all runs to complete", () => cluster.completed === 600, {
      timeoutMs: 90_000,
      describe: () => `${cluster.completed} completed, ${done} disturbances`,
    });
    await running;
    expect(cluster.broken).toEqual([]);
    expect(cluster.begun.length).toBe(600);
    // More than one key was at its limit at the same time.
    expect(cluster.together).toBeGreaterThan(3);
    expect(done).toBeGreaterThanOrEqual(20);
  },
);

test("two installations share a Redis: neither fences the other, and each has its own slots", async () => {
  const source = fixed(1);
  const first = await started(source, 9);
  const redis = connectRedis(server.url);
  clients.push(redis);
  const other = new RedisAdmission({ redis, source, installation: "other", term: () => 1, log: quiet });
  const granted: string[] = [];
  const ends = new AbortController();
  stop.push(ends);
  await other.start((grant) => granted.push(grant.uid), ends.signal);
  const [one, two] = runs(2, 1) as [PendingRun, PendingRun];
  await first.admission.enqueue(one);
  await other.enqueue(two);
  await waitFor("a grant of each", () => first.granted.length + granted.length === 2, soon);
});

test("the keys of a namespace are deleted with it", async () => {
  const { admission, granted } = await started(fixed(1));
  await admission.enqueue(runs(1, 1)[0] as PendingRun);
  await waitFor("the grant", () => granted.length === 1, soon);
  await admission.drop(namespace);
  expect(await (clients[0] as Redis).keys("*")).toEqual([]);
  await admission.enqueue(runs(1, 1)[0] as PendingRun);
  await waitFor("a new one of that name works", () => granted.length === 2, soon);
});
