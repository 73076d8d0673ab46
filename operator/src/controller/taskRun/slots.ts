/**
 * What this leader knows of its runs' slots: which runs wait for one in Redis, which grants arrived and are
 * not in the run's status yet, and which slots are to be released when their run no longer needs them.
 *
 *   request ─► pending ─(onGrant)─► granted ─(hold)─► held ─(releaseUnneeded)─► released
 *                                      └─(giveBack: the status could not be written)─►┘
 *
 * - Runs are distinguished by their uids. A name may stand for a run and for deleted ones before it.
 * - A slot belongs to containers: the slot of a deleted run is released by `forget`, which is called when
 *   none of its containers is left (deleted.ts).
 * - What is known here is lost with the term, so nothing depends on it alone: which slot a run has is in its
 *   status, a release may be repeated, and a grant that is not above the run's last slot is void.
 */

import type { TaskRun } from "../../model/resources.ts";
import { holdsSlot, resumes } from "../../model/run/phase.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";

interface SlotState {
  namespace: string;
  name: string;
  uid: string;
  /** Arrived, and is not in the run's status as far as we know. */
  granted?: Grant;
  /** Number of the slot that is held; 0: none. */
  held: number;
  /** The highest slot that was released in this term. */
  released: number;
  /** It waits for no slot any more. */
  isRemoved: boolean;
}

type RunName = Pick<TaskRun["metadata"], "namespace" | "name" | "uid">;

export class Slots {
  readonly #admission: Admission;
  /** By uid. */
  readonly #states = new Map<string, SlotState>();
  /** Uids by `namespace/name`. */
  readonly #uids = new Map<string, Set<string>>();

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** A new term begins with nothing. */
  clear(): void {
    this.#states.clear();
    this.#uids.clear();
  }

  /** Called by a rebuild, with the slots that it loads: also those of deleted runs. */
  adopt(holders: readonly Grant[]): void {
    for (const holder of holders) {
      const state = this.#stateOf(holder);
      state.held = Math.max(state.held, holder.slot);
      // Released before it was loaded again.
      state.released = Math.min(state.released, holder.slot - 1);
    }
  }

  /** Called by admission, at any time. What the run had already, or does not wait for, is released. */
  onGrant(grant: Grant): void {
    const state = this.#stateOf(grant);
    const isVoid = state.isRemoved || grant.slot <= state.released || grant.slot < state.held;
    if (isVoid) void this.#admission.release(grant);
    else state.granted = grant;
  }

  /** The run's next slot. A grant of an earlier one was in the status already: it is void. */
  granted(run: TaskRun): Grant | undefined {
    const granted = this.#states.get(run.metadata.uid)?.granted;
    return granted && granted.slot > (run.status?.slot ?? 0) ? granted : undefined;
  }

  /** Puts the run among the pending ones; returns the grant when a slot was free at once. */
  async request(run: PendingRun): Promise<Grant | undefined> {
    const state = this.#stateOf(run);
    state.isRemoved = false;
    await this.#admission.enqueue(run);
    const { granted } = state;
    return granted && granted.slot > run.slot ? granted : undefined;
  }

  /** The run is inadmissible after all: it waits for no slot and takes none. */
  async withdraw(run: TaskRun): Promise<void> {
    await this.#withdraw(this.#stateOf(run.metadata));
  }

  /** The grant is in the run's status. */
  hold(grant: Grant): void {
    const state = this.#stateOf(grant);
    state.granted = undefined;
    state.held = grant.slot;
  }

  /** The grant could not be written into the run's status. */
  async giveBack(grant: Grant): Promise<void> {
    this.#stateOf(grant).granted = undefined;
    await this.#admission.release(grant);
  }

  /** Does what only the holder of this grant may; undefined: it is not held. */
  whileHeld<T>(grant: Grant, act: () => Promise<T>): Promise<T | undefined> {
    return this.#admission.whileHeld(grant, act);
  }

  /** Whether the slot that the run's status names is really held. Asked before the Job is created. */
  async confirm(run: TaskRun): Promise<boolean> {
    const state = this.#stateOf(run.metadata);
    state.held = Math.max(state.held, run.status?.slot ?? 0);
    return this.#admission.confirm(grantOf(state, state.held));
  }

  /** Whether the slot that a run had was not released in this term. */
  isUnreleased({ metadata, status }: TaskRun): boolean {
    const { held, released } = this.#states.get(metadata.uid) ?? { held: 0, released: 0 };
    return Math.max(held, status?.slot ?? 0) > released;
  }

  /**
   * Releases what the run, in its phase, no longer needs: the slot that its status names; unless it is
   * Queued or resumes, the wait for one, too.
   */
  async releaseUnneeded(run: TaskRun): Promise<void> {
    if (holdsSlot(run) || run.status?.phase === undefined) return;
    const state = this.#stateOf(run.metadata);
    state.held = Math.max(state.held, run.status.slot ?? 0);
    await this.#release(state);
    if (run.status.phase !== "Queued" && !resumes(run)) await this.#withdraw(state);
  }

  /** Deleted runs of this name that may have a slot. `present`: the run that has the name now. */
  deleted(namespace: string, name: string, present?: TaskRun): RunName[] {
    const uids = [...(this.#uids.get(keyOf({ namespace, name })) ?? [])];
    const isDeleted = (uid: string) => uid !== present?.metadata.uid || present.metadata.deletionTimestamp;
    return uids.filter(isDeleted).map((uid) => ({ namespace, name, uid }));
  }

  /** The run was deleted: it waits for no slot, and keeps the one that it has. */
  async keepOnlySlot(run: RunName): Promise<{ isHeld: boolean }> {
    const state = this.#stateOf(run);
    await this.#withdraw(state);
    return { isHeld: state.held > state.released };
  }

  /** None of the deleted run's containers is left: its slot is free. */
  async forget({ uid }: RunName): Promise<void> {
    const state = this.#states.get(uid);
    if (!state) return;
    await this.#release(state);
    this.#states.delete(uid);
    const key = keyOf(state);
    this.#uids.get(key)?.delete(uid);
    if (this.#uids.get(key)?.size === 0) this.#uids.delete(key);
  }

  async #withdraw(state: SlotState): Promise<void> {
    const { granted } = state;
    state.granted = undefined;
    if (granted && granted.slot > state.held) await this.#admission.release(granted);
    if (state.isRemoved) return;
    state.isRemoved = true;
    await this.#admission.remove(state.namespace, state.uid);
  }

  async #release(state: SlotState): Promise<void> {
    if (state.held <= state.released) return;
    state.released = state.held;
    await this.#admission.release(grantOf(state, state.held));
  }

  #stateOf({ namespace, name, uid }: RunName): SlotState {
    const known = this.#states.get(uid);
    if (known) return known;
    const state: SlotState = { namespace, name, uid, held: 0, released: 0, isRemoved: false };
    this.#states.set(uid, state);
    const key = keyOf(state);
    this.#uids.set(key, (this.#uids.get(key) ?? new Set()).add(uid));
    return state;
  }
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

const grantOf = ({ namespace, name, uid }: SlotState, slot: number): Grant => ({
  namespace,
  name,
  uid,
  slot,
});
