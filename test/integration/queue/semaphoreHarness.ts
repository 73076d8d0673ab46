/**
 * A cluster of runs (the truth), the semaphore in Redis, and its model. Each step does the same to all three
 * and compares them; a difference or a broken invariant throws.
 */
import type { Redis } from "ioredis";
import { expect } from "vitest";
import type { Grant, PendingRun } from "../../../operator/src/queue/admission.ts";
import type { Holder, Limits } from "../../../operator/src/queue/clusterState.ts";
import { keysOf, laneOf, orderOf, queuePart, slotId } from "../../../operator/src/queue/keys.ts";
import { EpochError, FencedError, type Scripts } from "../../../operator/src/queue/scripts.ts";
import { NamespaceSemaphore } from "../../../operator/src/queue/semaphore.ts";
import { Fairness } from "./fairness.ts";
import { redisContents } from "./redisContents.ts";
import { type AdmitRoom, queueOf, SemaphoreModel } from "./semaphoreModel.ts";

export const installation = "release.uid";
export const namespace = "team-a";

type State = "queued" | "holding" | "waiting" | "done";

export class SemaphoreHarness {
  readonly redis: Redis;
  readonly scripts: Scripts;
  /** The API server's state, by uid. */
  readonly runs = new Map<string, { run: PendingRun; state: State }>();
  readonly limits: { namespace: number | null; queues: Map<string, Limits["queues"][number]> };
  readonly released: Grant[] = [];
  model = new SemaphoreModel();
  fairness = new Fairness();
  semaphore: NamespaceSemaphore;
  /** The semaphore of the previous term. */
  stale: NamespaceSemaphore | undefined;
  #snapshot: (Buffer | null)[] | undefined;
  #term = 1;
  #count = 0;

  constructor(redis: Redis, scripts: Scripts) {
    this.redis = redis;
    this.scripts = scripts;
    this.limits = { namespace: null, queues: new Map() };
    this.semaphore = new NamespaceSemaphore(scripts, installation, namespace, this.#term);
  }

  async enqueue(queue: string, concurrencyKey: string | undefined, prioritySeconds: number): Promise<void> {
    const n = this.#count++;
    const uid = `uid-${String((n * 7) % 100).padStart(3, "0")}-${n}`;
    const enqueuedAtMs = 1_700_000_000_000 + 500 * n;
    const run = {
      namespace,
      name: `run-${n}`,
      uid,
      queue,
      concurrencyKey,
      enqueuedAtMs,
      prioritySeconds,
      slot: 0,
    };
    this.runs.set(uid, { run, state: "queued" });
    await this.#enqueueAgain(run);
  }

  /** Enqueues any queued or holding run again. */
  async repeat(index: number): Promise<void> {
    const one = pick([...this.runs.values()], index);
    if (one?.state === "queued") await this.#enqueueAgain(one.run);
    if (one?.state === "holding") await this.#enqueueAgain({ ...one.run, slot: one.run.slot - 1 });
  }

  /** Raises the priority of a queued run. */
  async raisePriority(index: number): Promise<void> {
    const one = pick(
      [...this.runs.values()].filter((run) => run.state === "queued"),
      index,
    );
    if (!one) return;
    one.run = { ...one.run, prioritySeconds: one.run.prioritySeconds + (index % 2) };
    await this.#enqueueAgain(one.run);
  }

  async #enqueueAgain(run: PendingRun): Promise<void> {
    await this.semaphore.enqueue([run]);
    this.model.enqueue(run);
  }

  /** `lost`: the leader dies before it writes the grants; its successor reads the cluster. */
  async admit(steps: number, { lost = false, ...room }: AdmitRoom & { lost?: boolean } = {}) {
    const before = [...this.model.pending.values()];
    // A queue that is held back has no turn.
    const hasTurn = (lane: string) => this.model.eligible(lane) && !room.queues?.has(queueOf(lane));
    const eligible = this.model.lanes().filter(hasTurn);
    const { grants, next } = await this.semaphore.admit({ steps, ...room });
    const expected = this.model.admit(steps, room);
    expect(grants.map(slotId)).toEqual(expected.grants.map(slotId));
    expect(next).toBe(expected.next);
    for (const { uid, queue } of grants) expect(queue).toBe(queuePart(this.#run(uid).queue));
    // A run that resumes has its room.
    const begun = grants.filter(({ uid }) => !this.#run(uid).resumes);
    expect(begun.length).toBeLessThanOrEqual(room.most ?? Number.POSITIVE_INFINITY);
    for (const [queue, most] of room.queues ?? [])
      expect(begun.filter((grant) => grant.queue === queue).length).toBeLessThanOrEqual(most);
    this.#checkLimits(grants, before);
    this.#checkOrder(grants, before);
    this.fairness.granted(
      expected.grants
        .map(({ uid, isAhead }) => ({ lane: laneOf(this.#run(uid)), isAhead }))
        .filter(({ lane }) => !room.queues?.has(queueOf(lane))),
      eligible,
      hasTurn,
    );
    if (!lost) for (const { uid, slot } of grants) this.#set(uid, "holding", slot);
    else if (grants.length > 0) await this.newLeader();
    return { grants, begun, next };
  }

  /** Goes over the ready lanes until there is nothing more to admit, as the controller does. */
  async admitAll(room: AdmitRoom): Promise<void> {
    const left = new Map(room.queues);
    for (let at = 1; at > 0; ) {
      const { begun, next } = await this.admit(3, { queues: left, at });
      for (const { queue } of begun) if (left.has(queue)) left.set(queue, (left.get(queue) as number) - 1);
      at = next;
    }
    // Nothing that has room was passed over for a queue that has none.
    const waiting = this.model.lanes().filter((lane) => this.model.eligible(lane));
    if (this.model.holders.size >= this.model.namespaceLimit) return;
    for (const lane of waiting) expect(left.get(queueOf(lane)), lane).toBe(0);
  }

  async release(index: number, retried: boolean): Promise<void> {
    const held = [...this.runs.values()].filter((one) => one.state === "holding");
    const one = pick(held, index);
    if (!one) return;
    const grant: Grant = { namespace, name: one.run.name, uid: one.run.uid, slot: one.run.slot };
    this.#set(grant.uid, retried ? "queued" : "done", grant.slot);
    this.released.push(grant);
    const released = await this.semaphore.release([grant]);
    expect(released).toBe(Number(this.model.release(grant)));
    if (retried) await this.#enqueueAgain(one.run);
  }

  /** A run with a slot waits: it gives it back. */
  async wait(index: number): Promise<void> {
    const held = [...this.runs.values()].filter((one) => one.state === "holding");
    const one = pick(held, index);
    if (!one) return;
    const grant: Grant = { namespace, name: one.run.name, uid: one.run.uid, slot: one.run.slot };
    this.#set(grant.uid, "waiting", grant.slot);
    this.released.push(grant);
    expect(await this.semaphore.release([grant])).toBe(Number(this.model.release(grant)));
  }

  /** It goes on. */
  async resume(index: number): Promise<void> {
    const one = pick(
      [...this.runs.values()].filter((run) => run.state === "waiting"),
      index,
    );
    if (!one) return;
    one.state = "queued";
    one.run = { ...one.run, resumes: true };
    await this.#enqueueAgain(one.run);
  }

  async lateRelease(index: number): Promise<void> {
    const grant = pick(this.released, index);
    if (!grant) return;
    expect(await this.semaphore.release([grant])).toBe(0);
    expect(await this.semaphore.confirm(grant)).toBe(false);
  }

  async remove(index: number): Promise<void> {
    const one = pick([...this.runs.values()], index);
    if (!one || one.state === "done") return;
    if (one.state === "queued") one.state = "done";
    const removed = await this.semaphore.remove([one.run.uid]);
    expect(removed).toBe(Number(this.model.remove(one.run.uid)));
  }

  async setQueue(name: string, limit: number | undefined, paused: boolean): Promise<void> {
    const queue = { name, limit, paused };
    this.limits.queues.set(queuePart(name), queue);
    await this.semaphore.setLimits({ queues: [queue] });
    this.model.setLimits({ queues: [queue] });
  }

  async setNamespace(limit: number | null): Promise<void> {
    this.limits.namespace = limit;
    await this.semaphore.setLimits({ namespace: limit, queues: [] });
    this.model.setLimits({ namespace: limit, queues: [] });
  }

  async snapshot(): Promise<void> {
    this.#snapshot = await Promise.all(
      keysOf(installation, namespace).map((key) => this.redis.dumpBuffer(key)),
    );
    // A change that the copy does not have.
    await this.semaphore.holders();
  }

  /** Redis restarts with an older copy, empty, or without one key: admission is closed until the rebuild. */
  async lose(what: "all" | "last" | number): Promise<void> {
    const keys = keysOf(installation, namespace);
    if (typeof what === "number") await this.redis.del(keys[what % keys.length] as string);
    else {
      await this.redis.flushall();
      if (what === "last" && this.#snapshot) {
        await Promise.all(
          this.#snapshot.map((dump, i) =>
            dump ? this.redis.restore(keys[i] as string, 0, dump) : undefined,
          ),
        );
      }
    }
    await this.#refuses(this.semaphore, EpochError);
    await this.rebuild();
  }

  async newLeader(): Promise<void> {
    this.stale = this.semaphore;
    this.#term++;
    await this.rebuild();
    await this.#staleIsRefused();
  }

  /** Redis is emptied and the previous term's leader is the first to write. */
  async staleSteals(): Promise<void> {
    if (!this.stale) return;
    await this.redis.flushall();
    await new NamespaceSemaphore(this.scripts, installation, namespace, this.stale.term).begin();
    await this.#refuses(this.semaphore, EpochError);
    await this.rebuild();
    await this.#staleIsRefused();
  }

  async rebuild(): Promise<void> {
    this.semaphore = new NamespaceSemaphore(this.scripts, installation, namespace, this.#term);
    this.model = new SemaphoreModel();
    this.fairness = new Fairness();
    await this.semaphore.begin();
    await expect(this.semaphore.admit()).rejects.toThrow(EpochError);
    // Half of the holders have no Job yet.
    const limits = { namespace: this.limits.namespace, queues: [...this.limits.queues.values()] };
    const holders: Holder[] = [];
    const pending: PendingRun[] = [];
    for (const { run, state } of this.runs.values()) {
      if (state === "holding") holders.push({ ...run, tentative: run.enqueuedAtMs % 1_000 === 0 });
      if (state === "queued") pending.push(run);
    }
    await this.semaphore.setLimits(limits);
    holders.sort((a, b) => Number(a.tentative) - Number(b.tentative));
    await this.semaphore.loadHolders(holders);
    await this.semaphore.enqueue(pending);
    await this.semaphore.open();
    this.model.setLimits(limits);
    for (const holder of holders) this.model.load(holder);
    for (const run of pending) this.model.enqueue(run);
    for (const holder of holders) await this.#confirm(holder);
  }

  /** A run whose container exists keeps its slot, whatever the limits; another may have to queue again. */
  async #confirm(holder: Holder): Promise<void> {
    const held = await this.semaphore.confirm(holder);
    expect(held).toBe(this.model.holders.has(slotId(holder)));
    if (!holder.tentative) expect(held).toBe(true);
    if (held) return;
    this.#set(holder.uid, "queued", holder.slot);
    this.released.push(holder);
    await this.#enqueueAgain(this.#run(holder.uid));
  }

  /** Compares Redis, the model and the cluster. */
  async check(): Promise<void> {
    const held = (await this.semaphore.holders()).map(slotId).sort();
    expect(held).toEqual([...this.model.holders.keys()].sort());
    const states = [...this.runs.values()];
    const holding = states.filter((one) => one.state === "holding").map((one) => slotId(one.run));
    expect(held).toEqual(holding.sort());
    const queued = states.filter((one) => one.state === "queued").map((one) => one.run.uid);
    expect([...this.model.pending.keys()].sort()).toEqual(queued.sort());
    const queues = [...new Set(states.map((one) => one.run.queue))];
    const { pending, holders } = await redisContents(this.redis, namespace);
    expect(pending.length).toBe(queued.length);
    expect(holders.length).toBe(held.length);
    for (const name of queues) {
      const of = (wanted: State): number =>
        states.filter((one) => one.state === wanted && one.run.queue === name).length;
      const inQueue = (members: string[]): number =>
        members.filter((member) => queueOf(member) === queuePart(name)).length;
      expect([name, inQueue(holders), inQueue(pending)]).toEqual([name, of("holding"), of("queued")]);
    }
  }

  /** Removes all limits, and checks that every queued run is admitted: none was lost. */
  async drain(): Promise<void> {
    for (const { name } of [...this.limits.queues.values()]) await this.setQueue(name, undefined, false);
    await this.setNamespace(null);
    for (let round = 0; round <= this.runs.size; round++) await this.admit(100);
    const queued = [...this.runs.values()].filter((one) => one.state === "queued");
    expect(queued).toEqual([]);
  }

  async #staleIsRefused(): Promise<void> {
    if (!this.stale) return;
    await this.#refuses(this.stale, FencedError);
    await expect(this.stale.begin()).rejects.toThrow(FencedError);
  }

  async #refuses(
    semaphore: NamespaceSemaphore,
    error: typeof EpochError | typeof FencedError,
  ): Promise<void> {
    const slot = { uid: "uid", slot: 1 };
    await expect(semaphore.admit()).rejects.toThrow(error);
    await expect(semaphore.confirm(slot)).rejects.toThrow(error);
    await expect(semaphore.release([slot])).rejects.toThrow(error);
    await expect(semaphore.remove(["uid"])).rejects.toThrow(error);
    await expect(semaphore.setLimits({ namespace: 1, queues: [] })).rejects.toThrow(error);
    await expect(semaphore.open()).rejects.toThrow(error);
  }

  #checkLimits(grants: Grant[], before: PendingRun[]): void {
    for (const { uid } of grants) {
      const lane = laneOf(before.find((run) => run.uid === uid) as PendingRun);
      const queue = this.limits.queues.get(queueOf(lane));
      expect(queue?.paused && !before.find((run) => run.uid === uid)?.resumes).toBeFalsy();
      expect(this.model.running(lane)).toBeLessThanOrEqual(queue?.limit ?? Number.POSITIVE_INFINITY);
    }
    if (grants.length > 0) {
      expect(this.model.holders.size).toBeLessThanOrEqual(this.limits.namespace ?? Number.POSITIVE_INFINITY);
    }
  }

  #checkOrder(grants: Grant[], before: PendingRun[]): void {
    const granted = new Set(grants.map((grant) => grant.uid));
    for (const run of before.filter((one) => granted.has(one.uid))) {
      const passed = before.filter(
        (other) => laneOf(other) === laneOf(run) && !granted.has(other.uid) && orderOf(other) < orderOf(run),
      );
      expect(passed).toEqual([]);
    }
  }

  #run(uid: string): PendingRun {
    return (this.runs.get(uid) as { run: PendingRun }).run;
  }

  #set(uid: string, state: State, slot: number): void {
    const one = this.runs.get(uid);
    if (one) Object.assign(one, { state, run: { ...one.run, slot, resumes: false } });
  }
}

function pick<T>(list: T[], index: number): T | undefined {
  return list[index % Math.max(list.length, 1)];
}
