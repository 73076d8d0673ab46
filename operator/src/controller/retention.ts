/** (to be written: a finished run moves to history, and its resource goes) */
import type { CachedRun } from "./deps.ts";
import type { RunDeps } from "./taskRunReconciler.ts";

export async function retire(_deps: RunDeps, _run: CachedRun): Promise<void> {}
