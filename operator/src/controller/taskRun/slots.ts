/**
 * What this leader knows of its runs' places: those that wait in Redis, grants that arrived and are not written yet,
 * and acquisitions to be given back when their run leaves them. Only a memory of this term: what it does not know, the
 * runs' statuses say, and admission's own rebuild and sweep.
 *
 *   enqueue ─► pending ─(onGrant)─► granted ─(settle: written)─► held ─(leave)─► released
 */

import type { TaskRun } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { Admission, Grant, PendingRun } from "../../queue/admission.ts";

interface Place {
  uid: string;
  granted?: Grant;
  held?: Grant;
}

export class Slots {
  readonly #admission: Admission;
  /** By `namespace/name`. */
  readonly #places = new Map<string, Place>();

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** A new term begins with nothing. */
  clear(): void {
    this.#places.clear();
  }

  /** Called by admission, at any time. */
  onGrant(grant: Grant): void {
    this.#of(grant).granted = grant;
  }

  granted(run: TaskRun): Grant | undefined {
    const place = this.#places.get(keyOf(run.metadata));
    return place?.uid === run.metadata.uid ? place.granted : undefined;
  }

  /** Puts the run among the pending ones; returns the grant when there was room at once. */
  async ask(run: PendingRun): Promise<Grant | undefined> {
    const place = this.#of(run);
    await this.#admission.enqueue(run);
    return place.granted;
  }

  /** The run cannot be admitted for now, after all: its place goes back. */
  async withdraw(run: TaskRun): Promise<void> {
    const key = keyOf(run.metadata);
    const place = this.#places.get(key);
    if (place?.uid === run.metadata.uid) await this.#drop(key, place, run.metadata.namespace);
  }

  /** The grant was written into the run's status; or it could not be, and is given back. */
  async settle(grant: Grant, written: boolean): Promise<void> {
    const place = this.#of(grant);
    place.granted = undefined;
    if (written) place.held = grant;
    else await this.#admission.release(grant);
  }

  /** Whether the slot that the run's status names is really held. Asked before the Job is created. */
  async confirm(run: TaskRun): Promise<boolean> {
    const place = this.#of(run.metadata);
    place.held ??= grantOf(run);
    return this.#admission.confirm(place.held);
  }

  /** Gives back what a run that waits for nothing and occupies nothing still has. */
  async leave(run: TaskRun): Promise<void> {
    const key = keyOf(run.metadata);
    const place = this.#places.get(key);
    if (!place || place.uid !== run.metadata.uid || holdsSlot(run)) return;
    if (place.held) {
      await this.#admission.release(place.held);
      place.held = undefined;
    }
    if (run.status?.phase === "Queued") return;
    await this.#drop(key, place, run.metadata.namespace);
  }

  /** The run was deleted: its place in the queue and its slot are free. */
  async forget(namespace: string, name: string): Promise<void> {
    const key = keyOf({ namespace, name });
    const place = this.#places.get(key);
    if (place) await this.#drop(key, place, namespace);
  }

  async #drop(key: string, place: Place, namespace: string): Promise<void> {
    if (this.#places.get(key) === place) this.#places.delete(key);
    for (const grant of [place.granted, place.held]) if (grant) await this.#admission.release(grant);
    await this.#admission.remove(namespace, place.uid);
  }

  /** Another run of that name is another place; its predecessor was deleted and is forgotten by its own key. */
  #of({ namespace, name, uid }: { namespace: string; name: string; uid: string }): Place {
    const key = keyOf({ namespace, name });
    const known = this.#places.get(key);
    if (known?.uid === uid) return known;
    if (known) void this.#drop(key, known, namespace);
    const made: Place = { uid };
    this.#places.set(key, made);
    return made;
  }
}

const keyOf = ({ namespace, name }: { namespace: string; name: string }): string => `${namespace}/${name}`;

const grantOf = ({ metadata, status }: TaskRun): Grant => ({
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  slot: status?.slot ?? 0,
});
