import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LeaderElection, type LeaderElectionOptions, NotLeaderError } from "./leaderElection.ts";
import type { LeaseClaim, LeaseRecord, LeaseStore } from "./leaseStore.ts";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
    now: Date.UTC(2026, 5, 1),
  });
});
afterEach(() => vi.useRealTimers());

/** The API server: one record, compare-and-swap. */
class FakeServer {
  record: LeaseRecord | undefined;
  #version = 0;

  put(record: Pick<LeaseRecord, "holder" | "transitions">): LeaseRecord {
    this.#version += 1;
    this.record = { ...record, version: String(this.#version) };
    return this.record;
  }
}

/** One process's way to it. */
class FakeStore implements LeaseStore {
  readonly #server: FakeServer;
  /** What happens to requests: answered, refused, never answered, or written with the answer lost. */
  mode: "up" | "down" | "hangs" | "mute" = "up";
  writes = 0;

  constructor(server: FakeServer) {
    this.#server = server;
  }

  async read(signal: AbortSignal): Promise<LeaseRecord | undefined> {
    await this.#reach(signal);
    return this.#server.record;
  }

  async write(
    claim: LeaseClaim,
    before: LeaseRecord | undefined,
    signal: AbortSignal,
  ): Promise<LeaseRecord | undefined> {
    await this.#reach(signal);
    this.writes += 1;
    if (before?.version !== this.#server.record?.version) return undefined;
    const written = this.#server.put({ holder: claim.holder, transitions: claim.transitions });
    if (this.mode === "mute") throw new Error("connection lost");
    return written;
  }

  async #reach(signal: AbortSignal): Promise<void> {
    if (this.mode === "down") throw new Error("refused");
    if (this.mode === "hangs") {
      await new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true }),
      );
    }
  }
}

function candidate(server: FakeServer, identity: string, more: Partial<LeaderElectionOptions> = {}) {
  const store = new FakeStore(server);
  const events: string[] = [];
  /** Added to both clocks: a stopped process finds them ahead of its timers. */
  const skew = { monotonic: 0, wall: 0 };
  let finish = (): void => {};
  const slow = { work: false };
  const election = new LeaderElection({
    store,
    identity,
    onStarted: async (signal, term) => {
      events.push(`started ${term}`);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      events.push("aborted");
      if (slow.work) {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
      }
      events.push("ended");
    },
    onLost: (reason) => events.push(`lost: ${reason}`),
    log: { debug() {}, info() {}, warn() {}, error() {} } as never,
    monotonicMs: () => performance.now() + skew.monotonic,
    wallMs: () => Date.now() + skew.wall,
    ...more,
  });
  const stop = new AbortController();
  const ended = election.run(stop.signal);
  ended.catch(() => undefined);
  return { store, events, election, stop, ended, skew, slow, finish: () => finish() };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

describe("one leader", () => {
  test("the first candidate leads and renews, the second one waits", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    const b = candidate(server, "b");
    await pass(120_000);
    expect(a.events).toEqual([`started ${a.election.term}`]);
    expect(b.events).toEqual([]);
    expect([a.election.isLeader(), b.election.isLeader()]).toEqual([true, false]);
    expect(() => a.election.assertLeader()).not.toThrow();
    expect(() => b.election.assertLeader()).toThrow(NotLeaderError);
    expect(a.store.writes).toBeGreaterThan(55);
  });

  test("a term that is refused as too old is given up for one above the known one, by the same process", async () => {
    const server = new FakeServer();
    server.put({ holder: "", transitions: 7 });
    const a = candidate(server, "a");
    await pass(1_000);
    a.election.raiseTerm(7);
    expect(a.election.term).toBe(8);
    a.election.raiseTerm(41);
    expect(() => a.election.assertLeader()).toThrow(NotLeaderError);
    await pass(3_000);
    const lost = "lost: term 8 is too low: term 41 is known already";
    expect(a.events).toEqual(["started 8", lost, "aborted", "ended", "started 42"]);
  });

  test("a term is not raised by a process that another one has replaced", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(1_000);
    server.put({ holder: "b", transitions: 2 ** 30 });
    a.election.raiseTerm(2 ** 30);
    await pass(10_000);
    expect(a.election.isLeader()).toBe(false);
    expect(server.record?.holder).toBe("b");
  });

  test("a crash is noticed after the lease's duration, within 20 s, and the term rises", async () => {
    const server = new FakeServer();
    server.put({ holder: "crashed", transitions: 7 });
    const b = candidate(server, "b");
    await pass(14_900);
    expect(b.election.isLeader()).toBe(false);
    await pass(2_600);
    expect(b.events).toEqual(["started 8"]);
  });

  test("a stop releases the lease when the work has ended, not sooner, and keeps renewing until then", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(5_000);
    const b = candidate(server, "b");
    a.slow.work = true;
    a.stop.abort();
    await pass(12_000);
    expect(a.events.slice(1)).toEqual(["aborted"]);
    expect([a.election.isLeader(), b.election.isLeader()]).toEqual([true, false]);
    a.finish();
    await pass(2_600);
    await a.ended;
    expect([a.election.isLeader(), b.election.isLeader()]).toEqual([false, true]);
    expect(a.events.slice(1)).toEqual(["aborted", "ended"]);
    expect(b.election.term).toBeGreaterThan(Number(a.events[0]?.slice(8)));
  });

  test("work that does not end leaves the lease to expire", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(5_000);
    a.slow.work = true;
    a.stop.abort();
    await pass(23_000);
    await a.ended;
    expect(server.record?.holder).toBe("a");
  });

  test("work that fails releases the lease and fails the run", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a", { onStarted: () => Promise.reject(new Error("no Redis")) });
    await pass(100);
    await expect(a.ended).rejects.toThrow("no Redis");
    expect(server.record?.holder).toBe("");
  });

  test("a deleted record is created again with a higher term, and the leader before it starts over", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(60_000);
    const before = a.election.term as number;
    server.record = undefined;
    await pass(10_000);
    expect(a.events.slice(1, 4)).toEqual(["lost: the lease was deleted", "aborted", "ended"]);
    expect(a.election.term).toBeGreaterThan(before);
    expect(a.election.term).toBeLessThan(2 ** 31);
  });
});

describe("without the API server", () => {
  test.each(["down", "hangs"] as const)(
    "a leader without an answer (API server %s) stops acting at the renew deadline, before others may lead",
    async (mode) => {
      const server = new FakeServer();
      const a = candidate(server, "a");
      const b = candidate(server, "b");
      await pass(6_000);
      const lastRenewal = Date.now();
      a.store.mode = mode;
      let aEnded = 0;
      let bStarted = 0;
      for (let i = 0; i < 300 && bStarted === 0; i++) {
        await pass(100);
        expect(a.election.isLeader() && b.election.isLeader()).toBe(false);
        if (!aEnded && a.events.includes("ended")) aEnded = Date.now();
        if (b.election.isLeader()) bStarted = Date.now();
      }
      expect(aEnded - lastRenewal).toBeLessThanOrEqual(10_100);
      expect(bStarted - aEnded).toBeGreaterThan(2_500);
      expect(bStarted - lastRenewal).toBeLessThan(20_000);
      a.store.mode = "up";
      await pass(30_000);
      expect(a.election.isLeader()).toBe(false);
    },
  );

  test("a short outage changes nothing", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(6_000);
    for (const mode of ["down", "mute", "hangs"] as const) {
      a.store.mode = mode;
      await pass(6_000);
      a.store.mode = "up";
      await pass(6_000);
    }
    expect(a.events).toHaveLength(1);
    expect(a.election.isLeader()).toBe(true);
  });

  test("a claim whose answer was lost is noticed and led", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    a.store.mode = "mute";
    await pass(100);
    expect([server.record?.holder, a.election.isLeader()]).toEqual(["a", false]);
    a.store.mode = "up";
    await pass(3_000);
    expect(a.election.isLeader()).toBe(true);
  });

  test.each(["monotonic", "wall"] as const)(
    "a process that was stopped (%s clock ahead) finds out at its first look at the clock, before any timer runs",
    async (clock) => {
      const server = new FakeServer();
      const a = candidate(server, "a");
      await pass(6_000);
      expect(a.election.isLeader()).toBe(true);
      a.skew[clock] += 60_000;
      expect(() => a.election.assertLeader()).toThrow(NotLeaderError);
      expect(a.events[1]).toBe("lost: the lease could not be renewed in time");
      await pass(10);
      expect(a.events).toContain("ended");
    },
  );

  test("an answer that arrives after the deadline does not make us leader again", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(6_000);
    const write = a.store.write.bind(a.store);
    a.store.write = async (record, before, signal) => {
      const answer = await write(record, before, signal);
      a.skew.monotonic += 60_000; // stopped between the answer's arrival and its handling
      a.store.write = write;
      return answer;
    };
    const first = a.election.term as number;
    await pass(2_000);
    expect(a.events.slice(1)).toContain("lost: the lease could not be renewed in time");
    await pass(20_000);
    expect(a.election.term).toBeGreaterThan(first);
  });

  test("leadership is lost at once when another process holds the lease", async () => {
    const server = new FakeServer();
    const a = candidate(server, "a");
    await pass(6_000);
    server.put({ holder: "thief", transitions: 99 });
    await pass(2_100);
    expect(a.events[1]).toBe("lost: the lease is held by thief");
  });
});

test("durations that cannot work are refused", () => {
  const server = new FakeServer();
  expect(() => candidate(server, "a", { renewDeadlineMs: 20_000 })).toThrow(
    "retryMs < renewDeadlineMs < leaseMs",
  );
});
