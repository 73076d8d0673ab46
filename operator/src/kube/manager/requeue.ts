/**
 * When a reconciler wants to see its object again: its return value, so that a test can compare it. A change
 * of what the controller watches brings the key back earlier; a thrown error brings it back after the work
 * queue's backoff.
 */
export interface Requeue {
  /** Milliseconds since the epoch; Infinity: only a change brings the key back. */
  readonly at: number;
}

export const done: Requeue = { at: Number.POSITIVE_INFINITY };
/** As soon as the other keys have had their turn. */
export const again: Requeue = { at: 0 };
export const at = (ms: number): Requeue => ({ at: ms });

export const earliest = (...all: Requeue[]): Requeue => at(Math.min(...all.map((one) => one.at)));
