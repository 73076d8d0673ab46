/** (to be written: a TaskBatch, one step closer to its end) */
import type { TaskBatch } from "../model/resources.ts";
import type { RunDeps } from "./taskRunReconciler.ts";

/** Ingest filter of the TaskBatch cache: items are read live. */
export const withoutItems = (batch: TaskBatch): TaskBatch => batch;

export async function reconcileBatch(_deps: RunDeps, _key: string): Promise<void> {}
