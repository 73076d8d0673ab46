/** The semaphore in memory: exactly what the scripts must do, without sequences and epochs. */
import type { PendingRun } from "../../../operator/src/queue/admission.ts";
import type { Holder, Limits, QueueLimit } from "../../../operator/src/queue/clusterState.ts";
import { laneOf, orderOf, queuePart, slotId } from "../../../operator/src/queue/keys.ts";

/** What the cluster has room for; see StartRoom. */
export interface AdmitRoom {
  most?: number;
  queues?: ReadonlyMap<string, number>;
  at?: number;
}

export class SemaphoreModel {
  namespaceLimit = Number.POSITIVE_INFINITY;
  readonly queues = new Map<string, QueueLimit>();
  readonly pending = new Map<string, PendingRun>();
  /** Slot by id to its lane. */
  readonly holders = new Map<string, string>();
  ready: string[] = [];

  setLimits(limits: Limits): void {
    if (limits.namespace !== undefined) this.namespaceLimit = limits.namespace ?? Number.POSITIVE_INFINITY;
    for (const queue of limits.queues) this.queues.set(queuePart(queue.name), queue);
    for (const queue of limits.queues) {
      for (const lane of this.lanes().sort()) if (queueOf(lane) === queuePart(queue.name)) this.#wake(lane);
    }
  }

  enqueue(run: PendingRun): void {
    if (this.holders.has(slotId({ uid: run.uid, slot: run.slot + 1 }))) return;
    this.pending.set(run.uid, run);
    this.#wake(laneOf(run));
  }

  remove(uid: string): boolean {
    return this.pending.delete(uid);
  }

  /** `at`: the place to begin at, 1 the first; `next`: where to go on, 0 when there is nothing more. */
  admit(
    steps: number,
    { most, queues, at }: AdmitRoom = {},
  ): { grants: { uid: string; slot: number }[]; next: number } {
    const grants: { uid: string; slot: number }[] = [];
    const left = new Map(queues);
    let index = (at ?? 1) - 1;
    let room = Math.min(this.namespaceLimit - this.holders.size, most ?? Number.POSITIVE_INFINITY);
    for (let step = 0; step < steps && room >= 1 && index < this.ready.length; ) {
      const lane = this.ready[index] as string;
      const ofQueue = left.get(queueOf(lane)) ?? Number.POSITIVE_INFINITY;
      if (ofQueue < 1) {
        index++;
        continue;
      }
      step++;
      this.ready.splice(index, 1);
      const run = this.head(lane);
      if (!run || !this.hasRoom(lane)) continue;
      const grant = { uid: run.uid, slot: run.slot + 1 };
      this.pending.delete(run.uid);
      this.holders.set(slotId(grant), lane);
      grants.push(grant);
      room--;
      if (left.has(queueOf(lane))) left.set(queueOf(lane), ofQueue - 1);
      if (this.eligible(lane)) this.ready.push(lane);
    }
    return { grants, next: room >= 1 && index < this.ready.length ? index + 1 : 0 };
  }

  release(slot: { uid: string; slot: number }): boolean {
    const lane = this.holders.get(slotId(slot));
    if (lane === undefined) return false;
    this.holders.delete(slotId(slot));
    this.#wake(lane);
    return true;
  }

  load(holder: Holder): void {
    const lane = laneOf(holder);
    const room = this.running(lane) < this.#limit(lane) && this.holders.size < this.namespaceLimit;
    if (!holder.tentative || room) this.holders.set(slotId(holder), lane);
  }

  /** The lane's first run: by order, then uid. */
  head(lane: string): PendingRun | undefined {
    const rank = (run: PendingRun): string => `${orderOf(run)} ${run.uid}`;
    return [...this.pending.values()]
      .filter((run) => laneOf(run) === lane)
      .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  }

  lanes(): string[] {
    return [...new Set([...this.pending.values()].map(laneOf))];
  }

  running(lane: string): number {
    return [...this.holders.values()].filter((one) => one === lane).length;
  }

  hasRoom(lane: string): boolean {
    return !this.queues.get(queueOf(lane))?.paused && this.running(lane) < this.#limit(lane);
  }

  /** Whether the lane could be admitted now, apart from its turn and the namespace's limit. */
  eligible(lane: string): boolean {
    return this.head(lane) !== undefined && this.hasRoom(lane);
  }

  #limit(lane: string): number {
    return this.queues.get(queueOf(lane))?.limit ?? Number.POSITIVE_INFINITY;
  }

  #wake(lane: string): void {
    if (!this.ready.includes(lane) && this.eligible(lane)) this.ready.push(lane);
  }
}

export const queueOf = (lane: string): string => lane.slice(0, lane.indexOf("\n"));
