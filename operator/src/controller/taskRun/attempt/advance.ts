/** One step of one attempt: what is known of it, what to do, and doing it. */
import type { Lane } from "../../../kube/manager/requeue.ts";
import type { Attempt } from "../../../model/resources.ts";
import type { Deps } from "../../deps.ts";
import type { CachedRun } from "../cache.ts";
import type { Outcome } from "../decision.ts";
import { act } from "./act.ts";
import { decide } from "./decide.ts";
import { placeOf } from "./place.ts";
import { loadAttempt } from "./view.ts";

export async function advanceAttempt(
  deps: Deps,
  run: CachedRun,
  attempt: Attempt,
  lane: Lane,
): Promise<Outcome> {
  const view = await loadAttempt(deps, run, attempt);
  // An earlier attempt says nothing of the one that starts.
  if (attempt.outcome === undefined) {
    const { place, why } = placeOf(view);
    deps.room.seen(run, place, why);
  }
  return act(deps, view, decide(view), lane);
}
