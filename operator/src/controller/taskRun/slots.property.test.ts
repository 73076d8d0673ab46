/**
 * Random histories of runs, slots and a semaphore: status writes whose answers are lost or that fail, caches
 * that are behind, grants that come late, rebuilds, new leaders. Never more than the limit execute, and a run
 * is never forgotten: only what brings a key in production brings it here.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { apiVersion, type TaskRun } from "../../model/resources.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";
import { Slots } from "./slots.ts";

type Phase = "Queued" | "Starting" | "Executing" | "Completed";
type Fault = "none" | "lost" | "failed";

interface Run {
  phase: Phase;
  slot: number;
}

const namespace = "n";
const idOf = ({ uid, slot }: { uid: string; slot: number }): string => `${uid}/${slot}`;

class World implements Admission {
  readonly runs = new Map<string, Run>();
  /** What a cache that is behind has. */
  readonly before = new Map<string, Run>();
  readonly limit: number;
  readonly slots: Slots;
  readonly dirty = new Set<string>();
  inFlight: Grant[] = [];
  readonly #held = new Set<string>();
  readonly #pending = new Map<string, number>();

  constructor(limit: number, count: number) {
    this.limit = limit;
    this.slots = new Slots(this);
    for (let n = 0; n < count; n++) {
      this.runs.set(`u${n}`, { phase: "Queued", slot: 0 });
      this.dirty.add(`u${n}`);
    }
  }

  async start(): Promise<void> {}
  async enqueue({ uid, slot }: PendingRun): Promise<void> {
    if (this.#held.has(idOf({ uid, slot: slot + 1 }))) return;
    this.#pending.set(uid, slot);
    this.#admit();
  }
  async confirm(grant: Grant): Promise<boolean> {
    return this.#held.has(idOf(grant));
  }
  async whileHeld<T>(grant: Grant, act: () => Promise<T>): Promise<T | undefined> {
    return this.#held.has(idOf(grant)) ? act() : undefined;
  }
  async release(grant: Grant): Promise<void> {
    this.#held.delete(idOf(grant));
    this.#admit();
  }
  async remove(_namespace: string, uid: string): Promise<void> {
    this.#pending.delete(uid);
  }

  #admit(): void {
    for (const [uid, slot] of this.#pending) {
      if (this.#held.size >= this.limit) return;
      this.#pending.delete(uid);
      const grant = { namespace, name: uid, uid, slot: slot + 1 };
      this.#held.add(idOf(grant));
      this.inFlight.push(grant);
    }
  }

  deliver(index: number): void {
    const [grant] = this.inFlight.splice(index % Math.max(1, this.inFlight.length), 1);
    if (!grant) return;
    this.slots.onGrant(grant);
    this.dirty.add(grant.uid);
  }

  /** Reads what the statuses say: slots of runs that execute always, others where there is room. */
  rebuild(): void {
    this.#held.clear();
    this.#pending.clear();
    const all = [...this.runs].map(([uid, run]) => ({ namespace, name: uid, uid, ...run }));
    const holders = [
      ...all.filter(({ phase }) => phase === "Executing"),
      ...all.filter(({ phase }) => phase === "Starting"),
    ];
    this.slots.adopt(holders);
    for (const holder of holders)
      if (holder.phase === "Executing" || this.#held.size < this.limit) this.#held.add(idOf(holder));
    for (const { uid, phase, slot } of all) if (phase === "Queued") this.#pending.set(uid, slot);
    this.#admit();
    for (const { uid, phase } of all) if (phase === "Queued" || phase === "Starting") this.dirty.add(uid);
  }

  newLeader(): void {
    this.slots.clear();
    this.inFlight = [];
    this.rebuild();
    for (const uid of this.runs.keys()) this.dirty.add(uid);
  }

  #write(uid: string, next: Run): void {
    this.before.set(uid, this.runs.get(uid) as Run);
    this.runs.set(uid, next);
    this.dirty.add(uid);
    const executing = [...this.runs.values()].filter(({ phase }) => phase === "Executing");
    expect(executing.length).toBeLessThanOrEqual(this.limit);
  }

  end(uid: string, isRetried: boolean): void {
    const run = this.runs.get(uid);
    if (run?.phase === "Executing") this.#write(uid, { ...run, phase: isRetried ? "Queued" : "Completed" });
  }

  /** As admission.ts and createJob.ts do it. A failure brings the key back. */
  async reconcile(uid: string, fault: Fault, isStale: boolean): Promise<void> {
    this.dirty.delete(uid);
    const seen = (isStale && this.before.get(uid)) || (this.runs.get(uid) as Run);
    if (isStale) this.dirty.add(uid);
    const { runs } = this;
    const live = runs.get(uid);
    try {
      if (seen.phase === "Queued") await this.#takeSlot(uid, seen, fault);
      else if (seen.phase === "Starting") await this.#createJob(uid, seen, fault);
      // Our own write is known at once.
      const known = runs.get(uid) === live ? seen : (runs.get(uid) as Run);
      await this.slots.releaseUnneeded(taskRun(uid, known));
    } catch {
      this.dirty.add(uid);
    }
  }

  async #takeSlot(uid: string, seen: Run, fault: Fault): Promise<void> {
    const grant = this.slots.granted(taskRun(uid, seen)) ?? (await this.slots.request(pendingRun(uid, seen)));
    if (!grant) return;
    const live = this.runs.get(uid) as Run;
    if (fault === "failed") throw new Error("not written");
    const applies = live.phase === "Queued" && grant.slot > live.slot;
    if (applies) this.#write(uid, { phase: "Starting", slot: grant.slot });
    if (fault === "lost") throw new Error("no answer");
    if (applies) this.slots.hold(grant);
    else await this.slots.giveBack(grant);
  }

  async #createJob(uid: string, seen: Run, fault: Fault): Promise<void> {
    const isHeld = await this.slots.confirm(taskRun(uid, seen));
    if (fault === "failed") throw new Error("not written");
    const live = this.runs.get(uid) as Run;
    if (live.phase !== "Starting" || live.slot !== seen.slot) return;
    this.#write(uid, { ...live, phase: isHeld ? "Executing" : "Queued" });
    if (fault === "lost") throw new Error("no answer");
  }
}

const taskRun = (uid: string, { phase, slot }: Run): TaskRun => ({
  ...{ apiVersion, kind: "TaskRun", metadata: { namespace, name: uid, uid }, spec: { task: "t" } },
  status: { phase, slot },
});

const pendingRun = (uid: string, { slot }: Run): PendingRun => ({
  ...{ namespace, name: uid, uid, queue: "q", enqueuedAtMs: 0, prioritySeconds: 0, slot },
});

const pick = (world: World, index: number): string =>
  [...world.runs.keys()][index % world.runs.size] as string;
type Step = (world: World) => unknown;
/** A step that a failure names. */
const named = (name: string, act: Step): Step => Object.assign(act, { [fc.toStringMethod]: () => name });
const index = fc.nat(20);
const fault = fc.constantFrom<Fault>("none", "none", "none", "lost", "failed");
const step = fc.oneof(
  {
    weight: 10,
    arbitrary: fc
      .tuple(index, fault, fc.constantFrom(false, false, true))
      .map(([n, how, isStale]) =>
        named(`reconcile ${n} ${how}${isStale ? " stale" : ""}`, (world) =>
          world.reconcile(pick(world, n), how, isStale),
        ),
      ),
  },
  {
    weight: 6,
    arbitrary: index.map(
      (n): Step =>
        (world) =>
          world.deliver(n),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(index, fc.boolean())
      .map(([n, again]) =>
        named(`end ${n}${again ? " again" : ""}`, (world) => world.end(pick(world, n), again)),
      ),
  },
  { weight: 1, arbitrary: fc.constant(named("rebuild", (world) => world.rebuild())) },
  { weight: 1, arbitrary: fc.constant(named("new leader", (world) => world.newLeader())) },
);

test("whatever is lost, the limit holds, and every run has its turn without anybody looking for it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 6 }),
      fc.array(step, { maxLength: 60 }),
      async (limit, count, steps) => {
        const world = new World(limit, count);
        for (const act of steps) await act(world);
        for (let round = 0; round < 200; round++) {
          while (world.inFlight.length > 0) world.deliver(0);
          const [uid] = world.dirty;
          if (uid !== undefined) await world.reconcile(uid, "none", false);
          else for (const one of world.runs.keys()) world.end(one, false);
        }
        expect([...world.runs.values()].map(({ phase }) => phase)).toEqual(Array(count).fill("Completed"));
      },
    ),
    { numRuns: 5_000 },
  );
});
