/** (to be written: a TaskSchedule's ticks become TaskRuns) */
import type { RunDeps } from "./taskRunReconciler.ts";

export async function reconcileSchedule(_deps: RunDeps, _key: string): Promise<void> {}
