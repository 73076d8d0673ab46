/**
 * What this leader knows of its slots: grants that arrived and are not written yet, and acquisitions to be given back
 * when their run leaves them. Only a memory of this term: what it does not know, the runs' statuses say.
 */
import { holdsSlot } from "../model/phase.ts";
import type { TaskRun } from "../model/resources.ts";
import type { Admission, Grant } from "../queue/admission.ts";

export class Slots {
  readonly #admission: Admission;
  /** By run uid. */
  readonly #granted = new Map<string, Grant>();
  readonly #held = new Map<string, Grant>();

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** A new term begins with nothing. */
  clear(): void {
    this.#granted.clear();
    this.#held.clear();
  }

  /** Called by admission, at any time. */
  onGrant(grant: Grant): void {
    this.#granted.set(grant.uid, grant);
  }

  granted(run: TaskRun): Grant | undefined {
    return this.#granted.get(run.metadata.uid);
  }

  /** The grant was written into the run's status; or it could not be, and is given back. */
  async settle(grant: Grant, written: boolean): Promise<void> {
    this.#granted.delete(grant.uid);
    if (written) this.#held.set(grant.uid, grant);
    else await this.#admission.release(grant);
  }

  /** Whether the slot that the run's status names is really held. Asked before the Job is created. */
  async confirm(run: TaskRun): Promise<boolean> {
    const grant = this.#held.get(run.metadata.uid) ?? grantOf(run);
    this.#held.set(grant.uid, grant);
    return this.#admission.confirm(grant);
  }

  /** Gives back the slot of a run that no longer occupies one. Names exactly the acquisition that it held. */
  async leave(run: TaskRun): Promise<void> {
    const grant = this.#held.get(run.metadata.uid);
    if (!grant || holdsSlot(run)) return;
    await this.#admission.release(grant);
    this.#held.delete(grant.uid);
  }

  /** The run was deleted: its place in the queue and its slot are free. */
  async forget(namespace: string, name: string): Promise<void> {
    for (const grants of [this.#granted, this.#held]) {
      for (const [uid, grant] of grants) {
        if (grant.namespace !== namespace || grant.name !== name) continue;
        await this.#admission.release(grant);
        await this.#admission.remove(namespace, uid);
        grants.delete(uid);
      }
    }
  }
}

const grantOf = ({ metadata, status }: TaskRun): Grant => ({
  namespace: metadata.namespace,
  name: metadata.name,
  uid: metadata.uid,
  slot: status?.slot ?? 0,
});
