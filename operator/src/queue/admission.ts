/**
 * The controller's view of a queue: who may start now.
 *
 *   enqueue ─► pending ─(granted: onGrant)─► holder of slot n ─(release n)─► gone
 *                 └────────(remove)────────► gone
 *
 * - A slot is an acquisition with a number, never a count: a release names exactly one, so a late one frees nothing
 *   newer. Numbers of a run rise.
 * - `enqueue`, `release` and `remove` may be repeated. A run that holds a slot is not pending.
 */

export interface PendingRun {
  namespace: string;
  name: string;
  uid: string;
  queue: string;
  concurrencyKey?: string;
  /** Milliseconds since the epoch. */
  enqueuedAtMs: number;
  /** Moves the run ahead by so many seconds. */
  prioritySeconds: number;
  /** Number of the run's last acquisition, 0 before the first. */
  slot: number;
}

export interface Grant {
  namespace: string;
  name: string;
  uid: string;
  slot: number;
}

export interface Admission {
  /** Begins to grant; resolves when the queues are open. Ends with the signal. */
  start(onGrant: (grant: Grant) => void, signal: AbortSignal): Promise<void>;
  enqueue(run: PendingRun): Promise<void>;
  /** Whether this acquisition is held. */
  confirm(grant: Grant): Promise<boolean>;
  release(grant: Grant): Promise<void>;
  /** The run is no longer pending; a slot that it holds stays until its release. */
  remove(namespace: string, uid: string): Promise<void>;
}

/** No limits: every run is admitted as soon as it is enqueued. */
export class ImmediateAdmission implements Admission {
  #onGrant: (grant: Grant) => void = () => undefined;

  async start(onGrant: (grant: Grant) => void): Promise<void> {
    this.#onGrant = onGrant;
  }

  async enqueue({ namespace, name, uid, slot }: PendingRun): Promise<void> {
    this.#onGrant({ namespace, name, uid, slot: slot + 1 });
  }

  async confirm(): Promise<boolean> {
    return true;
  }

  async release(): Promise<void> {}

  async remove(): Promise<void> {}
}
