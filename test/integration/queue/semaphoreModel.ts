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

interface Admitted {
  /** `isAhead`: its lane went before its turn. */
  grants: { uid: string; slot: number; isAhead: boolean }[];
  next: number;
}

export class SemaphoreModel {
  namespaceLimit = Number.POSITIVE_INFINITY;
  readonly queues = new Map<string, QueueLimit>();
  readonly pending = new Map<string, PendingRun>();
  /** Slot by id to its lane. */
  readonly holders = new Map<string, string>();
  ready: string[] = [];
  /** The lanes before those, with the order of the run that resumes. */
  readonly ahead = new Map<string, string>();

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
  admit(steps: number, { most = Number.POSITIVE_INFINITY, queues, at }: AdmitRoom = {}): Admitted {
    const grants: Admitted["grants"] = [];
    const left = new Map(queues);
    let index = (at ?? 1) - 1;
    let room = this.namespaceLimit - this.holders.size;
    let isOver = false;
    for (let step = 0; step < steps && room >= 1; ) {
      const lane = this.#inOrder()[index];
      isOver = lane === undefined || (most < 1 && !this.ahead.has(lane));
      if (lane === undefined || isOver) break;
      const run = this.head(lane);
      const ofQueue = left.get(queueOf(lane)) ?? Number.POSITIVE_INFINITY;
      if (!run?.resumes && (most < 1 || ofQueue < 1)) {
        index++;
        continue;
      }
      step++;
      const isAhead = this.ahead.has(lane);
      const isEligible = this.eligible(lane);
      this.#takeOut(lane);
      if (!run || !isEligible) continue;
      const grant = { uid: run.uid, slot: run.slot + 1, isAhead };
      this.pending.delete(run.uid);
      this.holders.set(slotId(grant), lane);
      grants.push(grant);
      room--;
      if (!run.resumes) {
        most--;
        if (left.has(queueOf(lane))) left.set(queueOf(lane), ofQueue - 1);
      }
      // As the script does, which does not look whether the queue is paused.
      if (this.head(lane) && this.running(lane) < this.#limit(lane)) this.#toTurn(lane);
    }
    const isMore = room >= 1 && !isOver && index < this.#inOrder().length;
    return { grants, next: isMore ? index + 1 : 0 };
  }

  #inOrder(): string[] {
    const ahead = [...this.ahead].sort(([a, x], [b, y]) => (x === y ? compare(a, b) : compare(x, y)));
    return [...ahead.map(([lane]) => lane), ...this.ready];
  }

  #takeOut(lane: string): void {
    this.ahead.delete(lane);
    this.ready = this.ready.filter((one) => one !== lane);
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

  /** Whether the lane could be admitted now, apart from its turn and the namespace's limit. */
  eligible(lane: string): boolean {
    const head = this.head(lane);
    const isPaused = this.queues.get(queueOf(lane))?.paused && !head?.resumes;
    return head !== undefined && !isPaused && this.running(lane) < this.#limit(lane);
  }

  #limit(lane: string): number {
    return this.queues.get(queueOf(lane))?.limit ?? Number.POSITIVE_INFINITY;
  }

  #wake(lane: string): void {
    const isReady = this.ready.includes(lane) || this.ahead.has(lane);
    if ((!isReady || this.head(lane)?.resumes) && this.eligible(lane)) this.#toTurn(lane);
  }

  #toTurn(lane: string): void {
    const head = this.head(lane);
    this.#takeOut(lane);
    if (head?.resumes) this.ahead.set(lane, orderOf(head));
    else this.ready.push(lane);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : 1);

export const queueOf = (lane: string): string => lane.slice(0, lane.indexOf("\n"));
