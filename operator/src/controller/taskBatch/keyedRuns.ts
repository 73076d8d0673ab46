/**
 * Items with an idempotency key: such an item gets the run that holds its key already, whether live or
 * retired, else a new run of the key's next generation.
 */
import { inParallel } from "../../lib/parallel.ts";
import { batchRun, type CachedOutcome, isRunOf } from "../../model/batch/item.ts";
import { holdsKey } from "../../model/keys/idempotency.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { BatchItem, TaskBatch, TaskRun } from "../../model/resources.ts";
import { isTerminal } from "../../model/run/phase.ts";
import { createOrFind, type NewTaskRun } from "../../runs/createOrFind.ts";
import { keyCandidates } from "../../runs/keyedRun.ts";
import { readHistory } from "../../storage/runHistory.ts";
import { unlessUnreadable } from "../../storage/stored.ts";
import { type CachedRun, toCachedRun } from "../taskRun/cache.ts";
import type { BatchDeps } from "./status.ts";

/** The run that holds the key, if it is not the item's own. Throws what the API server says of the run. */
export async function createKeyedRun(
  deps: BatchDeps,
  batch: TaskBatch,
  index: number,
  item: BatchItem,
  key: string,
): Promise<CachedOutcome | undefined> {
  const { namespace } = batch.metadata;
  const { task = "", idempotencyKeyGeneration: from = 0 } = item;
  for await (const candidate of keyCandidates(deps, { namespace, task, key }, from)) {
    const { name, retired } = candidate;
    if (retired) return { index, kind: "cached", run: { name, uid: retired.uid }, phase: retired.phase };
    const { generation } = candidate;
    const numbered = { ...item, ...(generation > 0 ? { idempotencyKeyGeneration: generation } : {}) };
    const run = await createItemRun(deps, batchRun(batch, index, numbered, name));
    if (isRunOf(batch, run) && run.spec.batch?.index === index) return undefined;
    if (!holdsKey(run, deps.clock())) continue;
    const { phase } = run.status ?? {};
    return {
      index,
      kind: "cached",
      run: { name, uid: run.metadata.uid },
      ...(isTerminal(phase) ? { phase } : {}),
    };
  }
  throw new Error(`item ${index}: idempotencyKey: used too often: choose another key`);
}

/** The run of this name: the one that was just created, or the one that exists. */
export async function createItemRun(deps: BatchDeps, wanted: NewTaskRun): Promise<TaskRun> {
  const { run } = await createOrFind(deps.client, wanted);
  if (!run) throw new Error(`TaskRun ${wanted.metadata.name} was deleted concurrently`);
  deps.runs.upsertFromWrite(toCachedRun(run));
  return run;
}

/** The run that an item shares, live or retired; undefined when it was deleted by hand. */
export async function findCachedRun(
  deps: BatchDeps,
  namespace: string,
  { run: { name, uid } }: CachedOutcome,
): Promise<CachedRun | undefined> {
  const known = deps.runs.get(namespace, name);
  if (known?.metadata.uid === uid) return known;
  const live = await deps.client.get(TaskRuns, namespace, name);
  if (live?.metadata.uid === uid) return live;
  return readHistory(deps.store, namespace, { name, uid }).catch(unlessUnreadable);
}

/** Records which of the shared runs have finished; true when one has. A deleted run counts as canceled. */
export async function followCachedRuns(
  deps: BatchDeps,
  namespace: string,
  outcomes: Iterable<CachedOutcome>,
): Promise<boolean> {
  let changed = false;
  const open = [...outcomes].filter(({ phase }) => !phase);
  await inParallel(open.values(), 16, async (outcome) => {
    const run = await findCachedRun(deps, namespace, outcome);
    const phase = run ? run.status?.phase : "Canceled";
    if (!isTerminal(phase)) return;
    outcome.phase = phase;
    changed = true;
  });
  return changed;
}
