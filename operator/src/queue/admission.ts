/**
 * Admission, as the controller uses it: which runs may start now.
 *
 *   enqueue ─► pending ─(onGrant)─► holds slot n ─(release n)─► released
 *                 └──────(remove)──────────────────────────────► removed
 *
 * - A slot is an acquisition with a number, never a count: a release names exactly one, so a late release
 *   frees no newer slot. The numbers of a run's slots rise.
 * - `enqueue`, `release` and `remove` may be repeated. A run that holds a slot is not pending.
 * - A run that resumes goes ahead of all that are not started: within its lane, and its lane before others.
 */

export interface PendingRun {
  namespace: string;
  name: string;
  uid: string;
  queue: string;
  concurrencyKey?: string;
  /** Milliseconds since the epoch. */
  enqueuedAtMs: number;
  /** The run is ordered as if it had been enqueued this much earlier. */
  prioritySeconds: number;
  /** Number of the run's last slot, 0 before the first. */
  slot: number;
  /** It had a slot, waited, and goes on: ahead of all runs that are not started. */
  resumes?: boolean;
}

/** One acquisition: the slot with this number, held by this run. */
export interface Grant {
  namespace: string;
  name: string;
  uid: string;
  slot: number;
}

/** `queue`: as the scripts know it (queuePart). */
export interface QueueGrant extends Grant {
  queue: string;
}

/** How many runs may be admitted now, besides what the limits say. */
export interface RoomNow {
  most: number;
  /** By queue (queuePart), of those that have less room. */
  queues: ReadonlyMap<string, number>;
  /** In milliseconds since the epoch: when there may be more without anything having changed. */
  againAt?: number;
}

/** What the cluster can start: asked before each admission, and told what was admitted. */
export interface StartRoom {
  now(namespace: string): RoomNow;
  granted(grant: QueueGrant): void;
  /** This slot is not needed any more. */
  released(grant: Grant): void;
  /** The namespace was deleted. */
  drop(namespace: string): void;
}

/** Admission that is closed: since when, in milliseconds since the epoch, and what failed last. */
export interface ClosedAdmission {
  since: number;
  error?: unknown;
}

export interface Admission {
  /** Grants until the signal is aborted. */
  start(onGrant: (grant: Grant) => void, signal: AbortSignal): Promise<void>;
  /**
   * Resolves after the first attempt to admit the run, granted or not; while admission is closed, at once.
   */
  enqueue(run: PendingRun): Promise<void>;
  /** Whether this slot is held. */
  confirm(grant: Grant): Promise<boolean>;
  /**
   * Does what only the holder of this slot may, if it is held: no other run gets the slot before `act` has
   * ended, whatever Redis loses meanwhile. Undefined: it is not held.
   */
  whileHeld<T>(grant: Grant, act: () => Promise<T>): Promise<T | undefined>;
  release(grant: Grant): Promise<void>;
  /** The run is no longer pending; a slot that it holds stays until its release. */
  remove(namespace: string, uid: string): Promise<void>;
}
