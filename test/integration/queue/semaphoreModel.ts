/**
 * The semaphore in memory, in the fewest words: what the scripts must do, exactly. Sequences and epochs are not in it.
 */
import type { PendingRun } from "../../../operator/src/queue/admission.ts";
import type { Holder, Limits, QueueLimit } from "../../../operator/src/queue/clusterState.ts";
import { lineOf, orderOf, queuePart, slotId } from "../../../operator/src/queue/keys.ts";

export class SemaphoreModel {
  namespaceLimit = Number.POSITIVE_INFINITY;
  readonly queues = new Map<string, QueueLimit>();
  readonly pending = new Map<string, PendingRun>();
  /** Slot by id to its line. */
  readonly holders = new Map<string, string>();
  ready: string[] = [];

  setLimits(limits: Limits): void {
    if (limits.namespace !== undefined) this.namespaceLimit = limits.namespace ?? Number.POSITIVE_INFINITY;
    for (const queue of limits.queues) this.queues.set(queuePart(queue.name), queue);
    for (const queue of limits.queues) {
      for (const line of this.lines().sort()) if (queueOf(line) === queuePart(queue.name)) this.#wake(line);
    }
  }

  enqueue(run: PendingRun): void {
    if (this.holders.has(slotId({ uid: run.uid, slot: run.slot + 1 }))) return;
    this.pending.set(run.uid, run);
    this.#wake(lineOf(run));
  }

  remove(uid: string): boolean {
    return this.pending.delete(uid);
  }

  admit(steps: number): { uid: string; slot: number }[] {
    const grants: { uid: string; slot: number }[] = [];
    for (let step = 0; step < steps && this.ready.length > 0; step++) {
      if (this.holders.size >= this.namespaceLimit) break;
      const line = this.ready.shift() as string;
      const run = this.head(line);
      if (!run || !this.hasRoom(line)) continue;
      const grant = { uid: run.uid, slot: run.slot + 1 };
      this.pending.delete(run.uid);
      this.holders.set(slotId(grant), line);
      grants.push(grant);
      if (this.eligible(line)) this.ready.push(line);
    }
    return grants;
  }

  release(slot: { uid: string; slot: number }): boolean {
    const line = this.holders.get(slotId(slot));
    if (line === undefined) return false;
    this.holders.delete(slotId(slot));
    this.#wake(line);
    return true;
  }

  load(holder: Holder): void {
    const line = lineOf(holder);
    const room = this.running(line) < this.#limit(line) && this.holders.size < this.namespaceLimit;
    if (!holder.tentative || room) this.holders.set(slotId(holder), line);
  }

  /** The line's first: smallest order, then uid. */
  head(line: string): PendingRun | undefined {
    const rank = (run: PendingRun): string => `${orderOf(run)} ${run.uid}`;
    return [...this.pending.values()]
      .filter((run) => lineOf(run) === line)
      .sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
  }

  lines(): string[] {
    return [...new Set([...this.pending.values()].map(lineOf))];
  }

  running(line: string): number {
    return [...this.holders.values()].filter((one) => one === line).length;
  }

  hasRoom(line: string): boolean {
    return !this.queues.get(queueOf(line))?.paused && this.running(line) < this.#limit(line);
  }

  /** It could give a run now, were it its turn and the namespace below its limit. */
  eligible(line: string): boolean {
    return this.head(line) !== undefined && this.hasRoom(line);
  }

  #limit(line: string): number {
    return this.queues.get(queueOf(line))?.limit ?? Number.POSITIVE_INFINITY;
  }

  #wake(line: string): void {
    if (!this.ready.includes(line) && this.eligible(line)) this.ready.push(line);
  }
}

export const queueOf = (line: string): string => line.slice(0, line.indexOf("\n"));
