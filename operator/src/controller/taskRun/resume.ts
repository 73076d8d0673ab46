/**
 * Waiting → Executing, once what the run waited for is there. The order of writes makes a crash between any
 * two harmless:
 *
 *   slot in Redis ─► slot confirmed, Executing written ─► the API answers the runner, and the code goes on
 *
 * Before Executing is written no code runs; after it a rebuild counts the run as a holder. A rebuild that
 * begins in between waits for the write (Admission.whileHeld).
 */
import { again, at, done } from "../../kube/manager/requeue.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { Attempt } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import { holdsSlot, isFinished } from "../../model/run/phase.ts";
import type { Grant } from "../../queue/admission.ts";
import { AdmissionClosedError } from "../../queue/namespaceAdmission.ts";
import type { Deps } from "../deps.ts";
import { applyRunEvent, type EventDeps } from "./applyRunEvent.ts";
import type { CachedRun } from "./cache.ts";
import type { Outcome } from "./decision.ts";
import { parentOf } from "./parents.ts";
import { pendingOf } from "./queueEntry.ts";

/**
 * Less than passes between two leaders' terms: what an earlier leader writes does not arrive after the next
 * one has read the runs.
 */
const writeTimeoutMs = 4_000;

/** The end of a rebuild brings the run back, too. */
const closedRecheckMs = 5_000;

export type ResumeDeps = EventDeps & {
  slots: Pick<Deps["slots"], "granted" | "request" | "whileHeld" | "hold" | "giveBack">;
};

export async function resume(deps: ResumeDeps, run: CachedRun, attempt: Attempt): Promise<Outcome> {
  const grant = deps.slots.granted(run) ?? (await deps.slots.request(pendingOf(run, undefined)));
  // The grant brings the key back.
  if (!grant) return { requeue: done };
  try {
    const written = await deps.slots.whileHeld(grant, () => goOn(deps, run, attempt, grant));
    if (written?.isHeld) {
      deps.slots.hold(grant);
      return { run: written.run, requeue: done };
    }
    await deps.slots.giveBack(grant);
    // Redis lost the grant, and the run is to ask again; or the run has changed, which its change shows.
    return { requeue: written ? done : again };
  } catch (error) {
    if (!(error instanceof AdmissionClosedError)) throw error;
    return { requeue: at(deps.clock() + closedRecheckMs) };
  }
}

/** A child that ended longer ago has told its parent, or the API has. */
const freshMs = 10_000;

/**
 * A run has ended that another one waits for: that one is in line before the slot is free, or a run that is
 * not started would take it. The API asks too, for whatever is waited for; who is first makes no difference.
 * Of a batch the end of the whole is waited for.
 */
export async function askForParent(
  deps: ResumeDeps & { runs: Pick<Deps["runs"], "get">; slots: Pick<Deps["slots"], "isUnreleased"> },
  run: CachedRun,
): Promise<void> {
  const { metadata, spec, status } = run;
  if (!spec.parent?.waits || spec.batch || !isFinished(run) || !deps.slots.isUnreleased(run)) return;
  if (!(Date.parse(status?.finishedAt ?? "") > deps.clock() - freshMs)) return;
  const parent = parentOf(deps, metadata.namespace, spec.parent);
  const attempt = currentAttempt(parent?.status);
  if (parent?.status?.phase !== "Waiting" || !attempt) return;
  const { slot = 0 } = parent.status;
  const event = { type: "ResumeAsked", attempt: attempt.number, slot } as const;
  const asked = await applyRunEvent(deps, parent, event, { timeoutMs: writeTimeoutMs });
  if (asked) void deps.slots.request(pendingOf(asked, undefined)).catch(() => undefined);
}

/** An earlier write may have arrived, although its answer was lost. */
async function goOn(
  deps: ResumeDeps,
  run: CachedRun,
  { number }: Attempt,
  { slot }: Grant,
): Promise<{ isHeld: boolean; run?: CachedRun }> {
  const event = { type: "Resumed", attempt: number, slot } as const;
  const resumed = await applyRunEvent(deps, run, event, { timeoutMs: writeTimeoutMs });
  if (resumed) return { isHeld: true, run: resumed };
  const { namespace, name, uid } = run.metadata;
  const live = await deps.client.get(TaskRuns, namespace, name);
  const isHeld = live?.metadata.uid === uid && holdsSlot(live) && live.status?.slot === slot;
  return { isHeld };
}
