/**
 * How many unfinished runs a namespace may have by the API: what is above is refused before anything is
 * stored. Counted by this replica's watch, which is a moment behind: the limit is not exact. What is applied
 * with kubectl a ResourceQuota limits.
 */
import { Problem } from "../http/problem.ts";
import type { RunReader } from "./reader.ts";

export interface BudgetDeps {
  reader: Pick<RunReader, "unfinishedIn">;
  /** 0 or undefined: no limit. */
  limits?: { unfinishedRuns?: number };
}

/** `exists`: whether the runs are there already, and nothing new is made; asked only at the limit. */
export async function demandRoom(
  { reader, limits }: BudgetDeps,
  namespace: string,
  wanted: number,
  exists: () => Promise<boolean>,
): Promise<void> {
  const limit = limits?.unfinishedRuns ?? 0;
  if (limit === 0) return;
  const unfinished = reader.unfinishedIn(namespace);
  if (unfinished + wanted <= limit || (await exists())) return;
  throw new Problem(
    429,
    `The namespace ${namespace} has ${unfinished} unfinished runs, and may have ${limit} (the chart's limits.unfinishedRuns): wait until some have ended, or cancel some`,
  );
}
