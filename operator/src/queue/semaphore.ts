/**
 * The semaphore of one namespace in Redis, as one leader's term sees it in one epoch.
 *
 *   begin ─► loading ─(limits, holders, pending runs)─► open ─► open
 *
 * - It remembers the last sequence that a script returned and passes it on: a Redis that lost something newer refuses.
 * - After any error that is not a refusal the outcome is unknown. Whoever uses it then throws it away and begins again.
 * - Lists are sent in parts of 100, so that no script runs long.
 */
import { randomUUID } from "node:crypto";
import type { Grant, PendingRun } from "./admission.ts";
import type { Holder, Limits, QueueLimit } from "./clusterState.ts";
import { keysOf, lineOf, orderOf, queuePart, slotId } from "./keys.ts";
import type { ScriptName, Scripts } from "./scripts.ts";

export const batchSize = 100;

export interface NamespaceState {
  pending: number;
  holders: number;
  readyLines: number;
  queues: { name: string; running: number; pending: number }[];
}

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

  constructor(scripts: Scripts, namespace: string, term: number) {
    this.#scripts = scripts;
    this.namespace = namespace;
    this.term = term;
    this.#keys = keysOf(namespace);
  }

  /** Empties the namespace's keys and closes them to everybody else. */
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
    await this.#inParts("setLimits", [...namespace, ...queues]);
    for (const queue of limits.queues) await this.#wake(queue);
  }

  /** Returns how many were not there yet. */
  async loadHolders(holders: readonly Holder[]): Promise<number> {
    const rows = holders.map((holder) => [
      holder.uid,
      holder.name,
      holder.slot,
      lineOf(holder),
      Number(holder.tentative),
    ]);
    return this.#inParts("loadHolders", rows);
  }

  async enqueue(runs: readonly PendingRun[]): Promise<number> {
    const rows = runs.map((run) => [run.uid, run.name, run.slot, orderOf(run), lineOf(run)]);
    return this.#inParts("enqueueRuns", rows);
  }

  /** Admits what it can in one step; `more`: there may be something left that can be admitted now. */
  async admit(steps = batchSize): Promise<{ grants: Grant[]; more: boolean }> {
    const [more, ...rest] = await this.#call("admitRuns", [steps]);
    const grants: Grant[] = [];
    for (let i = 0; i < rest.length; i += 3) {
      grants.push({
        namespace: this.namespace,
        uid: String(rest[i]),
        name: String(rest[i + 1]),
        slot: Number(rest[i + 2]),
      });
    }
    return { grants, more: more === 1 };
  }

  async confirm(slot: { uid: string; slot: number }): Promise<boolean> {
    const [held] = await this.#call("confirmSlot", [slotId(slot)]);
    return held === 1;
  }

  async release(slots: readonly { uid: string; slot: number }[]): Promise<number> {
    return this.#inParts(
      "releaseSlots",
      slots.map((slot) => [slotId(slot)]),
    );
  }

  async remove(uids: readonly string[]): Promise<number> {
    return this.#inParts(
      "removeRuns",
      uids.map((uid) => [uid]),
    );
  }

  async state(queues: readonly string[] = []): Promise<NamespaceState> {
    const state: NamespaceState = { pending: 0, holders: 0, readyLines: 0, queues: [] };
    for (let at = 0; at === 0 || at < queues.length; at += batchSize) {
      const part = queues.slice(at, at + batchSize);
      const reply = await this.#call("readState", part.map(queuePart));
      const [pending = 0, holders = 0, readyLines = 0, ...counts] = reply.map(Number);
      Object.assign(state, { pending, holders, readyLines });
      part.forEach((name, i) => {
        state.queues.push({ name, running: counts[2 * i] ?? 0, pending: counts[2 * i + 1] ?? 0 });
      });
    }
    return state;
  }

  /** All slots that are held. Not of one moment when there are more than a page. */
  async holders(): Promise<HeldSlot[]> {
    const held: HeldSlot[] = [];
    let behind = "";
    do {
      const [next = "", ...rest] = (await this.#call("readHolders", [behind])).map(String);
      for (let i = 0; i < rest.length; i += 2) {
        const [uid = "", slot] = (rest[i] as string).split("/");
        held.push({ uid, slot: Number(slot), name: rest[i + 1] as string });
      }
      behind = next;
    } while (behind !== "");
    return held;
  }

  async #wake(queue: QueueLimit): Promise<void> {
    if (queue.paused) return;
    let behind = "";
    do {
      [behind = ""] = (await this.#call("wakeLines", [queuePart(queue.name), behind])).map(String);
    } while (behind !== "");
  }

  async #inParts(name: ScriptName, rows: (string | number)[][]): Promise<number> {
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
    throw new Error(`concurrencyLimit: must be a whole number, 0 or more, not ${limit}`);
  }
  return limit;
}
