/**
 * Random histories of the semaphore against a real Redis and the model; fast-check prints a failure's seed.
 */
import fc from "fast-check";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queuePart } from "../../../operator/src/queue/keys.ts";
import { connectRedis } from "../../../operator/src/queue/redisClient.ts";
import { Scripts } from "../../../operator/src/queue/scripts.ts";
import { RedisServer } from "../../support/servers/redisServer.ts";
import { SemaphoreHarness } from "./semaphoreHarness.ts";

let server: RedisServer;
let redis: Redis;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = connectRedis(server.url);
  await redis.connect();
});
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
});

type Step = (harness: SemaphoreHarness) => Promise<unknown>;
const counts = new Map<string, number>();

/** A step that is counted by its name. */
function step(name: string, weight: number, arbitrary: fc.Arbitrary<Step>): fc.WeightedArbitrary<Step> {
  const counted = arbitrary.map((run): Step => {
    const named: Step = (harness) => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return run(harness);
    };
    return Object.assign(named, { [fc.toStringMethod]: () => name });
  });
  return { weight, arbitrary: counted };
}

// Names with a colon and an é, a name that is a prefix of another, and characters that separate parts in
// Redis.
const queue = fc.constantFrom("a", "a:é", "ab", "b\n%");
const key = fc.constantFrom(undefined, "k1", "k2", "k\n3");
const index = fc.nat(1000);
const limit = fc.constantFrom(undefined, 0, 1, 2, 3);

/** How many more each queue may have. */
const room = fc
  .array(fc.tuple(queue.map(queuePart), fc.nat(2)), { maxLength: 3 })
  .map((queues) => new Map(queues));

const steps = fc.array(
  fc.oneof(
    step(
      "enqueue",
      10,
      fc.tuple(queue, key, fc.constantFrom(0, 0, 1, 60)).map((args) => (harness) => harness.enqueue(...args)),
    ),
    step(
      "admit",
      8,
      fc.integer({ min: 1, max: 6 }).map((most) => (harness) => harness.admit(most)),
    ),
    step(
      "admit, little room",
      3,
      fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(3), room).map(
        ([count, most, queues]) =>
          (harness) =>
            harness.admit(count, { most, queues }),
      ),
    ),
    step(
      "admit, queues held back",
      3,
      room.map((queues) => (harness) => harness.admitAll({ queues })),
    ),
    step(
      "release",
      5,
      fc.tuple(index, fc.boolean()).map((args) => (harness) => harness.release(...args)),
    ),
    step(
      "wait",
      3,
      index.map((i) => (harness) => harness.wait(i)),
    ),
    step(
      "resume",
      3,
      index.map((i) => (harness) => harness.resume(i)),
    ),
    step(
      "repeat",
      2,
      index.map((i) => (harness) => harness.repeat(i)),
    ),
    step(
      "hurry",
      2,
      index.map((i) => (harness) => harness.raisePriority(i)),
    ),
    step(
      "late release",
      2,
      index.map((i) => (harness) => harness.lateRelease(i)),
    ),
    step(
      "remove",
      2,
      index.map((i) => (harness) => harness.remove(i)),
    ),
    step(
      "queue limit",
      4,
      fc
        .tuple(queue, limit, fc.constantFrom(false, false, true))
        .map((args) => (harness) => harness.setQueue(...args)),
    ),
    step(
      "namespace limit",
      2,
      fc.constantFrom(null, 1, 2, 4).map((most) => (harness) => harness.setNamespace(most)),
    ),
    step(
      "lost grants",
      1,
      fc.constant<Step>((harness) => harness.admit(3, { lost: true })),
    ),
    step(
      "flush",
      1,
      fc.constant<Step>((harness) => harness.lose("all")),
    ),
    step(
      "evicted key",
      1,
      index.map((i) => (harness) => harness.lose(i)),
    ),
    step(
      "snapshot",
      2,
      fc.constant<Step>((harness) => harness.snapshot()),
    ),
    step(
      "older copy",
      2,
      fc.constant<Step>((harness) => harness.lose("last")),
    ),
    step(
      "new leader",
      1,
      fc.constant<Step>((harness) => harness.newLeader()),
    ),
    step(
      "old leader first",
      1,
      fc.constant<Step>((harness) => harness.staleSteals()),
    ),
  ),
  { minLength: 5, maxLength: 50 },
);

test("no random history exceeds a limit, loses a run, breaks the order or accepts an old term", async () => {
  let cases = 0;
  const seed = Number(process.env.FAIRLEAD_SEED ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (again: FAIRLEAD_SEED=${seed})`);
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      cases++;
      await redis.flushall();
      const harness = new SemaphoreHarness(redis, new Scripts(redis));
      await harness.rebuild();
      for (const act of history) {
        await act(harness);
        await harness.check();
      }
      await harness.drain();
      await harness.check();
    }),
    { numRuns: 2_000, seed },
  );
  console.log(`${cases} histories, steps: ${[...counts].map(([name, n]) => `${name} ${n}`).join(", ")}`);
  expect(cases).toBeGreaterThanOrEqual(2_000);
}, 300_000);
