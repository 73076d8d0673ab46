/**
 * What is left of attempts and runs that have ended: logs are captured, containers that run on are stopped,
 * Jobs are removed, finished runs are retired. Nothing waits for it, and what may hang (the bucket, a node's
 * log) is done by the slow workers.
 */
import { again, done, earliest, type Lane, type Requeue, slowly } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import type { Deps } from "../deps.ts";
import { advanceAttempt } from "./attempt/advance.ts";
import { removeForgottenJobs } from "./attempt/forgottenJobs.ts";
import type { CachedRun } from "./cache.ts";
import type { Outcome } from "./decision.ts";
import { isRetirementDue, retire } from "./retention.ts";

/** Each step ends with one more attempt captured. */
const stepLimit = 8;

export async function reconcileEnded(deps: Deps, key: string, lane: Lane): Promise<Requeue> {
  let run = deps.runs.get(...splitKey(key));
  for (let step = 0; step < stepLimit; step++) {
    if (!run || run.metadata.deletionTimestamp) return done;
    if (step === 0) await removeForgottenJobs(deps, run);
    const outcome = await advanceEnded(deps, run, lane);
    if (!outcome.run) return earliest(outcome.requeue, await retireEnded(deps, run, lane));
    run = outcome.run;
  }
  return again;
}

async function retireEnded(deps: Deps, run: CachedRun, lane: Lane): Promise<Requeue> {
  if (!isFinished(run)) return done;
  return lane === "fast" && isRetirementDue(deps, run) ? slowly : retire(deps, run);
}

/** The first ended attempt that changes the run; the others have their turn in the next step. */
async function advanceEnded(deps: Deps, run: CachedRun, lane: Lane): Promise<Outcome> {
  let requeue = done;
  for (const attempt of run.status?.attempts ?? []) {
    if (attempt.outcome === undefined) continue;
    const outcome = await advanceAttempt(deps, run, attempt, lane);
    requeue = earliest(requeue, outcome.requeue);
    if (outcome.run) return { run: outcome.run, requeue };
  }
  return { requeue };
}
