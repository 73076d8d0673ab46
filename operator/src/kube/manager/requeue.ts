/**
 * When a reconciler wants to see its object again: its return value, so that a test can compare it. A change
 * of what the controller watches brings the key back earlier; a thrown error brings it back after the work
 * queue's backoff.
 */
export interface Requeue {
  /** Milliseconds since the epoch; Infinity: only a change brings the key back. */
  readonly at: number;
  /** What is to be done now may be slow: it is left to the slow workers. */
  readonly slow?: true;
}

/**
 * Which workers reconcile. What may hang for long (the bucket, a kubelet) is left to the slow ones, which are
 * few: however much of it hangs, the fast ones go on.
 */
export type Lane = "fast" | "slow";

export const done: Requeue = { at: Number.POSITIVE_INFINITY };
/** As soon as the other keys have had their turn. */
export const again: Requeue = { at: 0 };
/** The same key, by a slow worker. */
export const slowly: Requeue = { at: Number.POSITIVE_INFINITY, slow: true };
export const at = (ms: number): Requeue => ({ at: ms });

export function earliest(...all: Requeue[]): Requeue {
  const first = Math.min(...all.map((one) => one.at));
  return all.some(({ slow }) => slow) ? { at: first, slow: true } : at(first);
}
