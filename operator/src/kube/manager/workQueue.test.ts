import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { at, done, slowly } from "./requeue.ts";
import { WorkQueue, type WorkQueueOptions } from "./workQueue.ts";

const options: WorkQueueOptions = { concurrency: 2, baseDelayMs: 100, maxDelayMs: 1_000, onError: () => {} };

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

describe("any sequence of adds, fast and slow handlers, and failures", () => {
  const keys = ["a", "b", "c", "d"];
  const event = fc.record({ key: fc.constantFrom(...keys), pause: fc.nat(3) });
  const behaviour = fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean(), isSlow: fc.boolean() }), {
    minLength: 1,
    maxLength: 10,
  });

  test("no key has two handlers at once, no more run than the concurrency allows, and no add is lost", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40 }), behaviour, fc.integer({ min: 1, max: 3 }), run),
      { numRuns: 200 },
    );
  });

  async function run(
    events: { key: string; pause: number }[],
    how: { turns: number; fails: boolean; isSlow: boolean }[],
    concurrency: number,
  ) {
    const added = new Map<string, number>();
    const handled = new Map<string, number>();
    const running = new Map<string, string>();
    const problems: string[] = [];
    let calls = 0;
    const queue = new WorkQueue(
      async (key, lane) => {
        const sees = added.get(key) as number;
        if (running.has(key)) problems.push(`${key} twice at once`);
        running.set(key, lane);
        const atOnce = [...running.values()].filter((one) => one === lane).length;
        if (atOnce > (lane === "fast" ? concurrency : 2)) problems.push(`${atOnce} ${lane} at once`);
        const { turns: pause, fails, isSlow } = how[calls++ % how.length] as (typeof how)[number];
        await turns(pause);
        running.delete(key);
        if (isSlow && lane === "fast") return slowly;
        // Failures end at some time, or nothing would.
        if (fails && calls < 100) throw new Error("as the test wants");
        handled.set(key, sees);
        return done;
      },
      { ...options, concurrency, slowConcurrency: 2, baseDelayMs: 1, maxDelayMs: 2 },
    );
    const stop = new AbortController();
    const ended = queue.run(stop.signal);
    for (const { key, pause } of events) {
      added.set(key, (added.get(key) ?? 0) + 1);
      queue.add(key);
      await turns(pause);
    }
    while (!isDeepStrictEqual(handled, added)) await sleep(1);
    stop.abort();
    await ended;
    expect(problems).toEqual([]);
    expect(handled).toEqual(added);
  }
});

describe("times", () => {
  afterEach(() => vi.useRealTimers());

  function timed() {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: 1_000_000 });
    const handled: [string, number][] = [];
    const failing = new Set<string>();
    /** What the handler of a key returns. */
    const requeue = new Map<string, number>();
    const errors: { key: string; failures: number; delayMs: number }[] = [];
    const queue = new WorkQueue(
      async (key) => {
        handled.push([key, Date.now() - 1_000_000]);
        if (failing.has(key)) throw new Error("as the test wants");
        return at(requeue.get(key) ?? done.at);
      },
      {
        ...options,
        random: () => 1,
        onError: (key, _e, failures, delayMs) => errors.push({ key, failures, delayMs }),
      },
    );
    const stop = new AbortController();
    const ended = queue.run(stop.signal);
    const advance = async (ms: number): Promise<void> => {
      await vi.advanceTimersByTimeAsync(ms);
      await turns(3);
    };
    return { queue, handled, failing, requeue, errors, advance, stop, ended };
  }

  test("a key has one timer, for the earliest time", async () => {
    const { queue, handled, advance } = timed();
    queue.addAt("a", 1_000_500);
    queue.addAt("a", 1_000_200);
    queue.addAt("a", 1_000_900);
    queue.addAt("b", 1_000_300);
    for (let i = 0; i < 20; i++) await advance(100);
    expect(handled).toEqual([
      ["a", 200],
      ["b", 300],
    ]);
  });

  test("a time may be beyond what setTimeout takes, or have passed", async () => {
    const { queue, handled, advance } = timed();
    const day = 86_400_000;
    queue.addAt("far", 1_000_000 + 40 * day);
    queue.addAt("past", 5);
    await turns(3);
    expect(handled).toEqual([["past", 0]]);
    await advance(40 * day - 1);
    expect(handled).toHaveLength(1);
    await advance(60_000);
    expect(handled[1]?.[0]).toBe("far");
    expect(() => queue.addAt("a", Number.NaN)).toThrow("addAt(a): NaN is not a time");
  });

  test("a failing key backs off up to the bound, an add handles it at once, and a success forgets its failures", async () => {
    const { queue, handled, failing, errors, advance } = timed();
    failing.add("a");
    queue.add("a");
    for (let i = 0; i < 69; i++) await advance(50);
    expect(errors.map((e) => e.delayMs)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(queue.retries).toBe(6);
    const before = handled.length;
    failing.delete("a");
    queue.add("a");
    await turns(3);
    expect(handled).toHaveLength(before + 1);
    failing.add("a");
    queue.add("a");
    await turns(3);
    expect(errors.at(-1)).toMatchObject({ failures: 1, delayMs: 100 });
  });

  test("a key comes back at the time that its handler returned, or at once when that has passed", async () => {
    const { queue, handled, requeue, advance } = timed();
    requeue.set("a", 1_000_300);
    queue.add("a");
    await advance(299);
    expect(handled).toEqual([["a", 0]]);
    requeue.set("a", 0);
    await advance(1);
    requeue.delete("a");
    await advance(10_000);
    expect(handled.length).toBeGreaterThan(2);
    const before = handled.length;
    await advance(100_000);
    expect(handled).toHaveLength(before);
  });

  test("a returned time that is not a number counts as a failure", async () => {
    const { queue, errors, requeue, advance } = timed();
    requeue.set("a", Number.NaN);
    queue.add("a");
    await advance(0);
    expect(errors).toMatchObject([{ key: "a", failures: 1 }]);
  });
});

test("a stop waits for the handlers that run and starts no others", async () => {
  const begun: string[] = [];
  let finish = (): void => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const queue = new WorkQueue(
    async (key) => {
      begun.push(key);
      await gate;
      return done;
    },
    { ...options, concurrency: 1 },
  );
  const stop = new AbortController();
  let ended = false;
  const run = queue.run(stop.signal).then(() => {
    ended = true;
  });
  queue.add("a");
  queue.add("b");
  await turns(3);
  expect(begun).toEqual(["a"]);
  stop.abort();
  await turns(3);
  expect(ended).toBe(false);
  finish();
  await run;
  expect(begun).toEqual(["a"]);
  expect(queue).toMatchObject({ depth: 1, processed: 1 });
});

test("a long queue of handlers that never wait leaves the event loop its turns", async () => {
  const queue = new WorkQueue(async () => done, { ...options, concurrency: 10 });
  for (let i = 0; i < 5_000; i++) queue.add(`k${i}`);
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  let seen = 0;
  while (queue.depth > 0) {
    await turn();
    seen += 1;
  }
  stop.abort();
  await ended;
  expect(seen).toBeGreaterThan(400);
});

test("keys that hang with the slow workers stop neither the others nor what else is to be done for them", async () => {
  const fast: string[] = [];
  const hanging: string[] = [];
  const queue = new WorkQueue(
    async (key, lane) => {
      if (lane === "slow") {
        hanging.push(key);
        return new Promise(() => undefined);
      }
      fast.push(key);
      return key === "healthy" ? done : slowly;
    },
    { ...options, concurrency: 2, slowConcurrency: 3 },
  );
  const stop = new AbortController();
  void queue.run(stop.signal);
  const stuck = Array.from({ length: 40 }, (_, n) => `stuck-${n}`);
  for (const key of stuck) queue.add(key);
  queue.add("healthy");
  queue.add("stuck-39");
  while (fast.length < 41) await turn();
  expect(fast).toEqual([...stuck, "healthy"]);
  // The three that hang are handled again when they are done; one that waits, at once.
  queue.add("stuck-39");
  while (fast.length < 42) await turn();
  expect(hanging).toEqual(stuck.slice(0, 3));
  stop.abort();
});
