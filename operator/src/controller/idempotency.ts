/** (to be written: a run whose key or name was used already takes that result) */
import type { RunEvent } from "../model/event.ts";
import type { CachedRun } from "./deps.ts";
import type { RunDeps } from "./taskRunReconciler.ts";

export async function duplicateOf(_deps: RunDeps, _run: CachedRun): Promise<RunEvent | undefined> {
  return undefined;
}
