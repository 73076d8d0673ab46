/**
 * What a look at a run leads to. A decision is a value: checks make it from a view of the world, without I/O,
 * and tests compare it; only then is it carried out.
 */
import { done, type Requeue } from "../../kube/manager/requeue.ts";
import type { RunEvent } from "../../model/run/event.ts";
import type { CachedRun } from "./cache.ts";

/**
 * One event for the state machine, one action, or nothing but a time. `requeue`: when to look again at the
 * latest.
 */
export type Decision<Action extends string> =
  | { event: RunEvent; requeue?: Requeue }
  | { do: Action; requeue?: Requeue }
  | Requeue;

/** Undefined: this check does not apply; the next one is asked. */
export type Check<View, Action extends string> = (view: View) => Decision<Action> | undefined;

/** What the first check that applies decides. */
export function firstDecision<View, Action extends string>(
  checks: readonly Check<View, Action>[],
  view: View,
): Decision<Action> | undefined {
  for (const check of checks) {
    const decision = check(view);
    if (decision) return decision;
  }
  return undefined;
}

export const requeueOf = (decision: Decision<string>): Requeue =>
  "at" in decision ? decision : (decision.requeue ?? done);

/** What carrying out a decision led to. */
export interface Outcome {
  /** The changed run, which is looked at once more; absent when it did not change. */
  run?: CachedRun;
  requeue: Requeue;
}
