/**
 * A run that is accepted or admitted only after something was written or read that is refused now, or cannot
 * be reached: it waits, and says for what. The step is tried again as after any error.
 */
import { KubeError } from "../../kube/client/kubeError.ts";
import type { RunEvent } from "../../model/run/event.ts";
import type { Deps } from "../deps.ts";
import { applyRunEvent, type EventDeps } from "./applyRunEvent.ts";
import { quotaOr } from "./attempt/view.ts";
import type { CachedRun } from "./cache.ts";
import { UnknownKeyError } from "./duplicates.ts";

type BlockedDeps = EventDeps & Pick<Deps, "slots">;

/** Says what the run waits for; what fails in doing so is left: the step's own error is what counts. */
export async function sayBlocked(deps: BlockedDeps, run: CachedRun, error: unknown): Promise<void> {
  const why = whyBlocked(run, error);
  if (!why) return;
  try {
    // A slot that it was granted is for others meanwhile.
    if (run.status?.phase === "Queued") await deps.slots.withdraw(run);
    await applyRunEvent(deps, run, { type: "Inadmissible", ...why });
  } catch (failure) {
    deps.log.debug({ err: failure, run: run.metadata.name }, "a wait could not be told");
  }
}

/** Undefined for what passes by itself within moments, as a rule: it is tried again, and that is all. */
export function whyBlocked(
  { metadata: { namespace }, spec }: CachedRun,
  error: unknown,
): Pick<Extract<RunEvent, { type: "Inadmissible" }>, "reason" | "message"> | undefined {
  const after = "The run starts by itself afterwards.";
  if (error instanceof KubeError) {
    if (error.status !== 403) return undefined;
    const reason = quotaOr("Forbidden", error.message);
    const what =
      reason === "Forbidden" ? "does not let the controller do" : "has a quota that does not allow";
    return {
      reason,
      message: `Namespace ${namespace} ${what} what the run needs before it can start: ${error.message} ${after}`,
    };
  }
  if (!(error instanceof UnknownKeyError)) return undefined;
  const what = spec.idempotencyKey === undefined ? "name" : "idempotency key";
  return {
    reason: "StorageUnavailable",
    message: `Object storage does not answer, and knows whether the run's ${what} was used before. ${after}`,
  };
}
