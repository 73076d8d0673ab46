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
  /** Begins to grant. Ends with the signal. */
  start(onGrant: (grant: Grant) => void, signal: AbortSignal): Promise<void>;
  /** Resolves when the run was looked at once, granted or not; while the queues are closed, at once. */
  enqueue(run: PendingRun): Promise<void>;
  /** Whether this acquisition is held. */
  confirm(grant: Grant): Promise<boolean>;
  release(grant: Grant): Promise<void>;
  /** The run is no longer pending; a slot that it holds stays until its release. */
  remove(namespace: string, uid: string): Promise<void>;
}
