/**
 * What this leader knows of its runs' slots: which runs wait for one in Redis, which grants arrived and are
 * not in the run's status yet, and which slots are to be released when their run no longer needs them.
 *
 *   request ─► pending ─(onGrant)─► granted ─(hold)─► held ─(releaseUnneeded)─► released
 *                                      └─(giveBack: the status could not be written)─►┘
 *
 * Lost with the term. What is missing here is recovered from the runs' statuses, by the rebuild or by the
 * sweeper.
 */

import { keyOf, objectKey } from "../../kube/resources.ts";
import type { TaskRun } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";

interface SlotState {
  uid: string;
  granted?: Grant;
  held?: Grant;
}

export class Slots {
  readonly #admission: Admission;
  /** By `namespace/name`. */
  readonly #states = new Map<string, SlotState>();

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** A new term begins with nothing. */
  clear(): void {
    this.#states.clear();
  }

  /** Called by admission, at any time. */
  onGrant(grant: Grant): void {
    this.#stateOf(grant).granted = grant;
  }

  granted(run: TaskRun): Grant | undefined {
    const state = this.#states.get(keyOf(run));
    return state?.uid === run.metadata.uid ? state.granted : undefined;
  }

  /** Puts the run among the pending ones; returns the grant when a slot was free at once. */
  async request(run: PendingRun): Promise<Grant | undefined> {
    const state = this.#stateOf(run);
    await this.#admission.enqueue(run);
    return state.granted;
  }

  /** The run is inadmissible after all: it waits for no slot and has none. */
  async withdraw(run: TaskRun): Promise<void> {
    const key = keyOf(run);
    const state = this.#states.get(key);
    if (state?.uid === run.metadata.uid) await this.#drop(key, state, run.metadata.namespace);
  }

  /** The grant is in the run's status. */
  hold(grant: Grant): void {
    const state = this.#stateOf(grant);
    state.granted = undefined;
    state.held = grant;
  }

  /** The grant could not be written into the run's status. */
  async giveBack(grant: Grant): Promise<void> {
    this.#stateOf(grant).granted = undefined;
    await this.#admission.release(grant);
  }

  /** Whether the slot that the run's status names is really held. Asked before the Job is created. */
  async confirm(run: TaskRun): Promise<boolean> {
    const state = this.#stateOf(run.metadata);
    state.held ??= grantOf(run);
    return this.#admission.confirm(state.held);
  }

  /**
   * Releases what the run, in its phase, no longer needs: the slot; unless it is Queued, the wait for one,
   * too.
   */
  async releaseUnneeded(run: TaskRun): Promise<void> {
    const key = keyOf(run);
    const state = this.#states.get(key);
    if (!state || state.uid !== run.metadata.uid || holdsSlot(run)) return;
    if (state.held) {
      await this.#admission.release(state.held);
      state.held = undefined;
    }
    if (run.status?.phase === "Queued") return;
    await this.#drop(key, state, run.metadata.namespace);
  }

  /** The run was deleted: its slot, and its place in the queue, are free. */
  async forget(namespace: string, name: string): Promise<void> {
    const key = objectKey(namespace, name);
    const state = this.#states.get(key);
    if (state) await this.#drop(key, state, namespace);
  }

  async #drop(key: string, state: SlotState, namespace: string): Promise<void> {
    if (this.#states.get(key) === state) this.#states.delete(key);
    for (const grant of [state.granted, state.held]) if (grant) await this.#admission.release(grant);
    await this.#admission.remove(namespace, state.uid);
  }

  /** A run of the same name with another uid is another run; its predecessor was deleted and is dropped. */
  #stateOf({ namespace, name, uid }: { namespace: string; name: string; uid: string }): SlotState {
    const key = objectKey(namespace, name);
    const known = this.#states.get(key);
    if (known?.uid === uid) return known;
    if (known) void this.#drop(key, known, namespace);
    const state: SlotState = { uid };
    this.#states.set(key, state);
    return state;
  }
}

const grantOf = ({ metadata, status }: TaskRun): Grant => ({
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  slot: status?.slot ?? 0,
});
