/**
 * One TaskRun, one step closer to its end. Level-triggered: looks at the run, its Job and its pod, applies at
 * most a few events through transition.ts, and returns when to look again. Doing a step twice does nothing
 * new.
 *
 *   (new)      accept, or reject what cannot run
 *   Delayed    wait for delayUntil
 *   Queued     find the Task, ask for a slot, take it               → admission.ts
 *   Starting   create the Job; follow the pod; start timeout        → attempt/follow.ts
 *   Executing  follow the pod; maxDuration                          → attempt/follow.ts
 *   Waiting    take a slot again when what it waited for is there   → resume.ts; else as Executing
 *   Stopping   stop the container, wait until it is gone            → attempt/stop.ts
 *   finished   nothing; what is left of it                          → endedReconciler.ts
 *
 * A step that needs the bucket (an output to read, a payload to write, a key to look up) is for the slow
 * workers: while the bucket does not answer, cancel, maxDuration, retries and ttl go on.
 */
import { again, at, done, earliest, type Lane, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import type { TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { isFinished, resumes } from "../../model/run/phase.ts";
import { transition } from "../../model/run/transition.ts";
import { type Deps, isoNow } from "../deps.ts";
import { ensureQueueOfRun, undeclaredQueue } from "../taskQueue/ensureQueue.ts";
import { admit } from "./admission.ts";
import { applyRunEvent } from "./applyRunEvent.ts";
import { advanceAttempt } from "./attempt/advance.ts";
import { sayBlocked } from "./blocked.ts";
import type { CachedRun } from "./cache.ts";
import type { Outcome } from "./decision.ts";
import { releaseDeleted } from "./deleted.ts";
import { canceledWith } from "./parents.ts";
import { payloadProblem, unusablePayload } from "./payload.ts";
import { askForParent, resume } from "./resume.ts";

/** Steps that one reconciliation may take before it yields to other keys. */
const stepLimit = 8;

export async function reconcileTaskRun(deps: Deps, key: string, lane: Lane): Promise<Requeue> {
  const [namespace, name] = splitKey(key);
  let run = deps.runs.get(namespace, name);
  let requeue = await releaseDeleted(deps, namespace, name, run);
  if (!run || run.metadata.deletionTimestamp) return requeue;
  for (let step = 0; step < stepLimit; step++) {
    const outcome = await advanceOrSay(deps, run, lane);
    requeue = earliest(requeue, outcome.requeue);
    const after = outcome.run ?? run;
    await askForParent(deps, after);
    await deps.slots.releaseUnneeded(after);
    if (after.status?.phase !== "Starting") deps.room.left(after.metadata);
    if (!outcome.run) return requeue;
    run = outcome.run;
  }
  return again;
}

const isBeforeStart = ({ status: { phase } = {} }: CachedRun): boolean =>
  phase === undefined || phase === "Delayed" || phase === "Queued";

async function advanceOrSay(deps: Deps, run: CachedRun, lane: Lane): Promise<Outcome> {
  try {
    return await advance(deps, run, lane);
  } catch (error) {
    if (isBeforeStart(run)) await sayBlocked(deps, run, error);
    throw error;
  }
}

async function advance(deps: Deps, run: CachedRun, lane: Lane): Promise<Outcome> {
  if (isFinished(run)) return { requeue: done };
  const phase = run.status?.phase;
  const message = canceledWith(deps, run);
  if ((run.spec.cancelRequested || message !== undefined) && phase !== "Stopping") {
    const canceled = await applyRunEvent(deps, run, { type: "CancelRequested", message });
    if (canceled) return { run: canceled, requeue: done };
  }
  if (phase === "Queued" || (phase === "Delayed" && !run.spec.debounce)) {
    const unusable = unusablePayload(run);
    if (unusable) return { run: await applyRunEvent(deps, run, unusable), requeue: done };
  }
  switch (phase) {
    case undefined:
      return accept(deps, run, lane);
    case "Delayed":
      return checkDelay(deps, run);
    case "Queued":
      return admit(deps, run, lane);
    default: {
      const attempt = currentAttempt(run.status);
      if (!attempt) return { requeue: done };
      const resumed = resumes(run) ? await resume(deps, run, attempt) : undefined;
      if (resumed?.run) return resumed;
      const outcome = await advanceAttempt(deps, run, attempt, lane);
      return { ...outcome, requeue: earliest(outcome.requeue, resumed?.requeue ?? done) };
    }
  }
}

/** Accepts the run and, when it can start at once, admits it with the same write. */
async function accept(deps: Deps, run: CachedRun, lane: Lane): Promise<Outcome> {
  const problem = payloadProblem(run);
  if (problem) {
    return { run: await applyRunEvent(deps, run, { type: "Rejected", ...problem }), requeue: done };
  }
  await ensureQueueOfRun(deps, run);
  const accepted: RunEvent = {
    type: "Accepted",
    payloadDigest: run.payload?.sha256,
    undeclaredQueue: undeclaredQueue(deps, run),
  };
  const next = transition(run, accepted, isoNow(deps));
  let requeue = done;
  if ("status" in next && next.status.phase === "Queued") {
    const admitted = await admit(deps, { ...run, status: next.status }, lane);
    if (admitted.run) return admitted;
    requeue = admitted.requeue;
  }
  return { run: await applyPayloadEvent(deps, run, accepted), requeue };
}

async function checkDelay(deps: Deps, run: CachedRun): Promise<Outcome> {
  const until = Date.parse(run.spec.delayUntil ?? "");
  // While it was delayed, the queue may have been deleted by hand.
  if (!(until > deps.clock())) await ensureQueueOfRun(deps, run);
  const checked: RunEvent = { type: "DelayChecked", payloadDigest: run.payload?.sha256 };
  return {
    run: await applyPayloadEvent(deps, run, checked),
    requeue: until > deps.clock() ? at(until) : done,
  };
}

/**
 * An event that records the payload. The API may still change a debounced run's: it must be this version's.
 */
const applyPayloadEvent = (deps: Deps, run: TaskRun, event: RunEvent): Promise<CachedRun | undefined> =>
  applyRunEvent(deps, run, event, { ofThisVersion: run.spec.debounce !== undefined });
