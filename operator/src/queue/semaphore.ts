/**
 * The semaphore of one namespace in Redis, as one leader's term sees it in one epoch.
 *
 *   begin ─► loading ─(setLimits, loadHolders, enqueue)─► open() ─► open
 *
 * - It passes on the last sequence that a script returned: a Redis that has lost something newer refuses.
 * - After an error that is no refusal the outcome is unknown: the caller discards this object and begins a
 *   new epoch.
 * - Lists are sent in batches of 100, so that no script runs long.
 */
import { randomUUID } from "node:crypto";
import type { PendingRun, QueueGrant, RoomNow } from "./admission.ts";
import type { Holder, Limits, QueueLimit } from "./clusterState.ts";
import { keysOf, laneOf, orderOf, queuePart, slotId } from "./keys.ts";
import type { ScriptName, Scripts } from "./scripts.ts";

export const batchSize = 100;

interface AdmitOptions extends Partial<Pick<RoomNow, "most" | "queues">> {
  steps?: number;
  at?: number;
}

const noQueues: RoomNow["queues"] = new Map();

export interface HeldSlot {
  uid: string;
  name: string;
  slot: number;
}

export class NamespaceSemaphore {
  readonly namespace: string;
  readonly term: number;
  readonly #scripts: Scripts;
  readonly #keys: string[];
  readonly #epoch = randomUUID();
  #seq = 0;

  constructor(scripts: Scripts, installation: string, namespace: string, term: number) {
    this.#scripts = scripts;
    this.namespace = namespace;
    this.term = term;
    this.#keys = keysOf(installation, namespace);
  }

  /** Empties the namespace's keys; from now on every other term and epoch is refused. */
  async begin(): Promise<void> {
    await this.#call("beginEpoch", []);
  }

  /** The one write after which `admit` and `confirm` answer. */
  async open(): Promise<void> {
    await this.#call("switchEpoch", []);
  }

  async setLimits(limits: Limits): Promise<void> {
    const namespace = limits.namespace === undefined ? [] : [["", limitPart(limits.namespace), 0]];
    const queues = limits.queues.map((queue) => [
      queuePart(queue.name),
      limitPart(queue.limit),
      Number(queue.paused),
    ]);
    await this.#inBatches("setLimits", [...namespace, ...queues]);
    for (const queue of limits.queues) await this.#wake(queue);
  }

  /** Returns how many were added. */
  async loadHolders(holders: readonly Holder[]): Promise<number> {
    const rows = holders.map((holder) => [
      holder.uid,
      holder.name,
      holder.slot,
      laneOf(holder),
      Number(holder.tentative),
    ]);
    return this.#inBatches("loadHolders", rows);
  }

  async enqueue(runs: readonly PendingRun[]): Promise<number> {
    const rows = runs.map((run) => [run.uid, run.name, run.slot, orderOf(run), laneOf(run)]);
    return this.#inBatches("enqueueRuns", rows);
  }

  /**
   * Admits what the limits and the room leave, in at most `steps` steps, beginning at place `at` of the ready
   * lanes. `next`: the place to go on at; 0: nothing more can be admitted now.
   */
  async admit({
    steps = batchSize,
    at = 1,
    most = Number.MAX_SAFE_INTEGER,
    queues = noQueues,
  }: AdmitOptions = {}): Promise<{
    grants: QueueGrant[];
    next: number;
  }> {
    const ofQueues = [...queues].flat();
    const args = [steps, Math.min(most, Number.MAX_SAFE_INTEGER), at, ...ofQueues];
    const [next, ...rest] = await this.#call("admitRuns", args);
    const grants: QueueGrant[] = [];
    for (let i = 0; i < rest.length; i += 4) {
      grants.push({
        namespace: this.namespace,
        uid: String(rest[i]),
        name: String(rest[i + 1]),
        slot: Number(rest[i + 2]),
        queue: String(rest[i + 3]),
      });
    }
    return { grants, next: Number(next) };
  }

  async confirm(slot: { uid: string; slot: number }): Promise<boolean> {
    const [held] = await this.#call("confirmSlot", [slotId(slot)]);
    return held === 1;
  }

  async release(slots: readonly { uid: string; slot: number }[]): Promise<number> {
    return this.#inBatches(
      "releaseSlots",
      slots.map((slot) => [slotId(slot)]),
    );
  }

  async remove(uids: readonly string[]): Promise<number> {
    return this.#inBatches(
      "removeRuns",
      uids.map((uid) => [uid]),
    );
  }

  /** All slots that are held, read page by page: more than one page is not a snapshot of one moment. */
  async holders(): Promise<HeldSlot[]> {
    const held: HeldSlot[] = [];
    let after = "";
    do {
      const [next = "", ...rest] = (await this.#call("readHolders", [after])).map(String);
      for (let i = 0; i < rest.length; i += 2) {
        const [uid = "", slot] = (rest[i] as string).split("/");
        held.push({ uid, slot: Number(slot), name: rest[i + 1] as string });
      }
      after = next;
    } while (after !== "");
    return held;
  }

  async #wake(queue: QueueLimit): Promise<void> {
    if (queue.paused) return;
    let after = "";
    do {
      [after = ""] = (await this.#call("wakeLanes", [queuePart(queue.name), after])).map(String);
    } while (after !== "");
  }

  async #inBatches(name: ScriptName, rows: (string | number)[][]): Promise<number> {
    let changed = 0;
    for (let at = 0; at < rows.length; at += batchSize) {
      const [count] = await this.#call(name, rows.slice(at, at + batchSize).flat());
      changed += Number(count ?? 0);
    }
    return changed;
  }

  async #call(name: ScriptName, args: (string | number)[]): Promise<(string | number)[]> {
    const fence = [this.term, this.#epoch, this.#seq];
    const [seq, ...rest] = await this.#scripts.call(name, this.#keys, [...fence, ...args]);
    this.#seq = Math.max(this.#seq, Number(seq));
    return rest;
  }
}

function limitPart(limit: number | null | undefined): number | string {
  if (limit === undefined || limit === null) return "-";
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new Error(`concurrencyLimit: ${limit} is not valid: give a whole number, 0 or more`);
  }
  return limit;
}
