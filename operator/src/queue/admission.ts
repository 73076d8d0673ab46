/**
 * Admission, as the controller uses it: which runs may start now.
 *
 *   enqueue ─► pending ─(onGrant)─► holds slot n ─(release n)─► released
 *                 └──────(remove)──────────────────────────────► removed
 *
 * - A slot is an acquisition with a number, never a count: a release names exactly one, so a late release
 *   frees no newer slot. The numbers of a run's slots rise.
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
  /** The run is ordered as if it had been enqueued this much earlier. */
  prioritySeconds: number;
  /** Number of the run's last slot, 0 before the first. */
  slot: number;
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
  release(grant: Grant): Promise<void>;
  /** The run is no longer pending; a slot that it holds stays until its release. */
  remove(namespace: string, uid: string): Promise<void>;
}
