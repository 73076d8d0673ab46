/**
 * What to do for an attempt now. Pure; each file is a list of checks, the first that applies decides.
 *
 *   it has pods besides its own   stop those first, then:
 *   the attempt has ended   capture its log, remove its Job           → capture.ts
 *   the run is Stopping     stop the container, wait until it is gone → stop.ts
 *   Starting, Executing, Waiting   create the Job, follow the pod     → follow.ts
 */
import { done } from "../../../kube/manager/requeue.ts";
import { capture } from "./capture.ts";
import { follow } from "./follow.ts";
import { stop } from "./stop.ts";
import { type AttemptDecision, type AttemptView, isAlive } from "./view.ts";

export function decide(view: AttemptView): AttemptDecision {
  if (view.strays?.some((stray) => isAlive(stray) && !stray.isEnding)) return { do: "endStrays" };
  if (view.attempt.outcome !== undefined) return capture(view);
  switch (view.run.status?.phase) {
    case "Starting":
    case "Executing":
    case "Waiting":
      return follow(view);
    case "Stopping":
      return view.run.status.stop ? stop(view) : done;
    default:
      return done;
  }
}
