/**
 * One TaskRun, one step closer to its end. Level-triggered: looks at the run, its Job and its pod, applies at most
 * a few events through transition.ts, and says when to look again. Doing a step twice does nothing new.
 *
 *   (new)      accept, or reject what cannot run
 *   Delayed    wait for delayUntil
 *   Queued     find the Task, ask admission, take the slot          → admit.ts
 *   Starting   create the Job; follow the pod; start timeout        → attempt.ts
 *   Executing  follow the pod; maxDuration                          → attempt.ts
 *   Stopping   stop the container, wait until it is gone            → stop.ts
 *   finished   capture logs, remove Jobs                            → capture.ts
 */

import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { isFinished } from "../../model/run/phase.ts";
import { transition } from "../../model/run/transition.ts";
import { isoNow, keyOf, type RunDeps, splitKey } from "../deps.ts";
import { ensureQueueOfRun } from "../taskQueue/reconciler.ts";
import { admit } from "./admission.ts";
import { applyRunEvent } from "./applyRunEvent.ts";
import { followAttempt } from "./attempt/attempt.ts";
import { captureAttempts } from "./attempt/capture.ts";
import { stopAttempt } from "./attempt/stop.ts";
import type { CachedRun } from "./cache.ts";
import { payloadProblem } from "./payload.ts";
import { retire } from "./retention.ts";

/** Steps that one reconciliation may take before it yields to other keys. */
const stepLimit = 8;

export async function reconcileTaskRun(deps: RunDeps, key: string): Promise<void> {
  const [namespace, name] = splitKey(key);
  let run = deps.runs.get(namespace, name);
  if (!run || run.metadata.deletionTimestamp) return deps.slots.forget(namespace, name);
  for (let step = 0; step < stepLimit; step++) {
    const next = await advance(deps, run);
    await deps.slots.leave(next ?? run);
    if (!next) return;
    run = next;
  }
  deps.queue.add(key);
}

/** One step; the changed run, or undefined when there is nothing to do now. */
async function advance(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  // Logs of earlier attempts are captured whatever the run does now.
  const captured = await captureAttempts(deps, run);
  if (captured) return captured;
  if (isFinished(run)) {
    await retire(deps, run);
    return undefined;
  }
  const phase = run.status?.phase;
  if (run.spec.cancelRequested && phase !== "Stopping") {
    const canceled = await applyRunEvent(deps, run, { type: "CancelRequested" });
    if (canceled) return canceled;
  }
  switch (phase) {
    case undefined:
      return accept(deps, run);
    case "Delayed":
      return checkDelay(deps, run);
    case "Queued":
      return admit(deps, run);
    case "Starting":
    case "Executing":
      return followAttempt(deps, run);
    case "Stopping":
      return stopAttempt(deps, run);
    default:
      return undefined;
  }
}

/** Accepts the run and, when it can start at once, admits it with the same write. */
async function accept(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const problem = payloadProblem(run);
  if (problem) return applyRunEvent(deps, run, { type: "Rejected", ...problem });
  await ensureQueueOfRun(deps, run);
  const accepted: RunEvent = { type: "Accepted", payloadDigest: run.payload?.sha256 };
  const next = transition(run, accepted, isoNow(deps));
  if ("status" in next && next.status.phase === "Queued") {
    const further = await admit(deps, { ...run, status: next.status });
    if (further) return further;
  }
  return applyRunEvent(deps, run, accepted, { ofThisVersion: isDebounced(run) });
}

/** Whose payload the API may still change: what is written of it must be of the run as it is. */
const isDebounced = (run: TaskRun): boolean => run.spec.debounce !== undefined;

async function checkDelay(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const until = run.spec.delayUntil ? Date.parse(run.spec.delayUntil) : 0;
  if (until > deps.clock()) deps.queue.addAt(keyOf(run), until);
  const checked: RunEvent = { type: "DelayChecked", payloadDigest: run.payload?.sha256 };
  return applyRunEvent(deps, run, checked, { ofThisVersion: isDebounced(run) });
}
