/**
 * `npm run bench -- queue`: the cost of admission by the number of pending runs, and how long a freed slot
 * stays free; on its own redis-server. The results are recorded in docs/benchmarks.md.
 */
import type { Redis } from "ioredis";
import type { PendingRun } from "../../operator/src/queue/admission.ts";
import { RedisAdmission } from "../../operator/src/queue/redisAdmission.ts";
import { connectRedis } from "../../operator/src/queue/redisClient.ts";
import { Scripts } from "../../operator/src/queue/scripts.ts";
import { NamespaceSemaphore } from "../../operator/src/queue/semaphore.ts";
import { RedisServer } from "../support/servers/redisServer.ts";

const namespace = "bench";
const measuredRuns = 100_000;

interface Case {
  pending: number;
  keys: number;
  /** Lanes at their limit, with pending runs. */
  inadmissible: number;
}

const cases: Case[] = [
  { pending: 10, keys: 10, inadmissible: 0 },
  { pending: 1_000, keys: 1_000, inadmissible: 0 },
  { pending: 1_000, keys: 1_000, inadmissible: 1_000 },
  { pending: 100_000, keys: 1_000, inadmissible: 0 },
  { pending: 100_000, keys: 10_000, inadmissible: 0 },
  { pending: 1_000_000, keys: 10_000, inadmissible: 0 },
];

export async function semaphoreBench(): Promise<void> {
  const server = await RedisServer.start();
  const redis = connectRedis(server.url);
  await redis.connect();
  try {
    const rows = [];
    for (const one of cases) rows.push(await throughput(redis, one));
    console.table(rows);
    console.table([await reaction(redis)]);
  } finally {
    redis.disconnect();
    await server.stop();
  }
}

/**
 * Admits, releases and enqueues the same runs again, at most 100 at once, so that the number pending stays.
 */
async function throughput(redis: Redis, { pending, keys, inadmissible }: Case) {
  await redis.flushall();
  const semaphore = new NamespaceSemaphore(new Scripts(redis), "bench", namespace, 1);
  await semaphore.begin();
  await semaphore.setLimits({
    queues: [
      { name: "busy", limit: 10, paused: false },
      { name: "full", limit: 0, paused: false },
    ],
  });
  const before = await memory(redis);
  const all = new Map<string, PendingRun>();
  for (let i = 0; i < pending; i++) {
    const one = run(i, "busy", keys);
    all.set(one.uid, one);
  }
  await semaphore.enqueue([...all.values()]);
  const bytes = ((await memory(redis)) - before) / pending;
  await semaphore.enqueue(
    Array.from({ length: inadmissible }, (_, i) => run(pending + i, "full", inadmissible)),
  );
  await semaphore.open();
  let admitted = 0;
  let admitMs = 0;
  let releaseMs = 0;
  while (admitted < measuredRuns) {
    const begun = performance.now();
    const { grants } = await semaphore.admit();
    const granted = performance.now();
    await semaphore.release(grants);
    releaseMs += performance.now() - granted;
    admitMs += granted - begun;
    if (grants.length === 0) throw new Error("nothing was admitted");
    admitted += grants.length;
    await semaphore.enqueue(
      grants.map(({ uid, slot }) => ({ ...(all.get(uid) as PendingRun), slot, enqueuedAtMs: Date.now() })),
    );
  }
  return {
    pending,
    keys,
    "inadmissible keys": inadmissible,
    batch: Math.min(100, pending),
    "admissions/s": Math.round((admitted / admitMs) * 1000),
    "admit+release/s": Math.round((admitted / (admitMs + releaseMs)) * 1000),
    "bytes/pending": pending < 1_000 ? "" : Math.round(bytes),
  };
}

/**
 * From release() to the next onGrant, through RedisAdmission, one slot in a queue with 1,000 runs behind it.
 */
async function reaction(redis: Redis) {
  await redis.flushall();
  const runs = Array.from({ length: 1_001 }, (_, i) => run(i, "one", 1));
  const admission = new RedisAdmission({
    redis,
    installation: "bench",
    term: () => 1,
    log: { info: () => undefined, warn: console.error },
    source: {
      limits: async () => ({ queues: [{ name: "one", limit: 1, paused: false }] }),
      runs: async () => ({ holders: [], pending: runs }),
    },
  });
  const stop = new AbortController();
  const times: number[] = [];
  await new Promise<void>((resolve, reject) => {
    let released: number | undefined;
    const onGrant = (grant: Parameters<typeof admission.release>[0]): void => {
      if (released !== undefined) times.push(performance.now() - released);
      if (times.length === 1_000) {
        resolve();
        return;
      }
      released = performance.now();
      admission.release(grant).catch(reject);
    };
    admission.start(onGrant, stop.signal).catch(reject);
    admission.enqueue(runs[0] as PendingRun).catch(reject);
  });
  stop.abort();
  times.sort((a, b) => a - b);
  const at = (part: number): number => Number(times[Math.floor(part * times.length)]?.toFixed(2));
  return { "release to next grant": "ms", p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

function run(n: number, queue: string, keys: number): PendingRun {
  const uid = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const name = `r${String(n).padStart(24, "0")}`;
  const enqueuedAtMs = 1_700_000_000_000 + n;
  return {
    namespace,
    name,
    uid,
    queue,
    concurrencyKey: `tenant-${n % keys}`,
    enqueuedAtMs,
    prioritySeconds: 0,
    slot: 0,
  };
}

async function memory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
}
