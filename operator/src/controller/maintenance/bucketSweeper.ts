/**
 * Deletes expired objects from the bucket; not every S3 server has lifecycle rules. Every ten minutes, for
 * each namespace that this release watches, and no other release has:
 *
 *   - history older than `historySeconds`, with the payload, outputs and logs of its run, and records of keys
 *     that have expired, once history has none of their runs → expired.ts
 *   - packets that clients uploaded more than a day ago (a run that was triggered with one has a copy), and
 *     what belongs to no resource and no history → leftovers.ts
 *
 * What a round reads grows with what expires, not with what is retained. Names come again: what belongs to a
 * run is found by its uid. What a TaskRun refers to stays, whoever it belongs to. An object that cannot be
 * read is left alone and counted, and the others go on; so do other namespaces when one fails. A round is
 * bounded and leaves the rest to the next one, which also repeats what failed.
 */
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { deleteExpired } from "./expired.ts";
import { sweepLeftovers } from "./leftovers.ts";
import { type BucketSweepDeps, SweepRound } from "./sweepRound.ts";

export const bucketSweeper: PeriodicWork<BucketSweepDeps> = {
  everyMs: 10 * 60_000,
  firstMs: 60_000,
  failure: "expired objects could not be deleted",
  begin: (deps) => async (signal) => {
    const deleted = await sweepBucket(deps, signal);
    if (deleted > 0) deps.log.info({ deleted }, "deleted expired objects");
  },
};

/** One round; returns how many objects were deleted. */
export async function sweepBucket(deps: BucketSweepDeps, signal?: AbortSignal): Promise<number> {
  const round = new SweepRound(deps, signal);
  try {
    await deleteExpired(round, await namespacesOf(round));
  } finally {
    await sweepLeftovers(round);
  }
  return round.deleted;
}

/** In another order each time: a round that ends early is not always at the expense of the same ones. */
async function namespacesOf(round: SweepRound): Promise<string[]> {
  const { store, config } = round.deps;
  const watched = [...config.watchNamespaces];
  if (watched.length === 0) for await (const namespace of store.namespaces()) watched.push(namespace);
  const all = watched.filter((namespace) => round.isResponsible(namespace));
  const first = all.length === 0 ? 0 : Math.floor(round.nowMs / bucketSweeper.everyMs) % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}
