/**
 * Items with an idempotency key: the first generation of the key whose run is not there yet is created; a run that
 * holds the key already stands for the item.
 */
import { maxKeyGenerations } from "@fairlead/protocol/limits";
import { KubeError } from "../../kube/client/client.ts";
import { inParallel } from "../../lib/parallel.ts";
import { batchRun, type CachedOutcome, isRunOf } from "../../model/batch/item.ts";
import { keepsKey, keyedRunName, keyHash, keyState } from "../../model/keys/idempotency.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { BatchItem, TaskBatch, TaskRun } from "../../model/resources.ts";
import { isTerminal } from "../../model/run/phase.ts";
import { readKeyRecord } from "../../storage/keyRecord.ts";
import { readHistory } from "../../storage/runHistory.ts";
import { withoutPayload } from "../taskRun/cache.ts";
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
  const task = item.task ?? "";
  const now = deps.clock();
  let generation = item.idempotencyKeyGeneration ?? 0;
  const record = await readKeyRecord(deps.store, namespace, keyHash(namespace, task, key));
  if (record && record.generation >= generation && Date.parse(record.expiresAt) > now) {
    if (!record.freed && keepsKey(record.phase)) {
      return { index, kind: "cached", run: record.run, phase: record.phase };
    }
    generation = record.generation + 1;
  }
  for (const last = generation + maxKeyGenerations; generation < last; generation++) {
    const name = keyedRunName(namespace, task, key, generation);
    const wanted = { ...item, ...(generation > 0 ? { idempotencyKeyGeneration: generation } : {}) };
    const there = await createRun(deps, batchRun(batch, index, wanted, name));
    if (isRunOf(batch, there) && there.spec.batch?.index === index) return undefined;
    if (keyState(there, now) === "free") continue;
    const { phase } = there.status ?? {};
    const { uid } = there.metadata;
    return { index, kind: "cached", run: { name, uid }, ...(isTerminal(phase) ? { phase } : {}) };
  }
  throw new Error(
    `item ${index}: the runs of its idempotency key's last ${maxKeyGenerations} generations ended badly and are all there still`,
  );
}

/** The run of this name: the one that was just made, or the one that was there. */
export async function createRun(deps: BatchDeps, run: TaskRun): Promise<TaskRun> {
  const { namespace, name } = run.metadata;
  try {
    const created = await deps.client.create(TaskRuns, namespace, run);
    deps.runs.upsertFromWrite(withoutPayload(created));
    return created;
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  const there = await deps.client.get(TaskRuns, namespace, name);
  if (!there) throw new Error(`TaskRun ${name} was there and is gone`);
  deps.runs.upsertFromWrite(withoutPayload(there));
  return there;
}

/** The run that stands for an item, wherever it is now; undefined when it was deleted by hand. */
export async function findCachedRun(
  deps: BatchDeps,
  namespace: string,
  { run: { name, uid } }: CachedOutcome,
): Promise<TaskRun | undefined> {
  const known = deps.runs.get(namespace, name);
  if (known?.metadata.uid === uid) return known;
  const live = await deps.client.get(TaskRuns, namespace, name);
  if (live?.metadata.uid === uid) return live;
  const past = await readHistory(deps.store, namespace, name);
  return past?.metadata.uid === uid ? past : undefined;
}

/** Notes the ends of the runs that items wait for; whether there was one. A run that is gone counts as canceled. */
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
