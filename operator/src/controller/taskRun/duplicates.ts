/**
 * Before a run's first admission: was its key, or its name, used already?
 *
 * - A keyed run must have the name that is derived from its key. Its live predecessors are ruled out by the
 *   names; the retired ones by the record in the bucket: a generation that was used is not used again.
 * - An applied run with `ttlSecondsAfterFinished` has its name as its key: applied again after it was
 *   retired, it takes the result that it had.
 *
 * While the bucket is down such a run waits: the error makes the work queue try again. Any other costs no
 * request.
 */
import { keyResetAnnotation, originLabel } from "@fairlead/protocol/labels";
import { debounceHash } from "../../model/keys/debounce.ts";
import { appliedHash, keyExpiresAt, keyedRunName, keyHash } from "../../model/keys/idempotency.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { type KeyRecord, readKeyRecord } from "../../storage/keyRecord.ts";
import { readHistory } from "../../storage/runHistory.ts";
import type { Deps } from "../deps.ts";

/** The event that ends the run without an attempt; undefined when it may run. */
export async function duplicateOf(
  deps: Pick<Deps, "store" | "clock">,
  run: TaskRun,
): Promise<RunEvent | undefined> {
  const hash = recordHash(run);
  if (!hash) return undefined;
  const { namespace, name, uid } = run.metadata;
  const misnamed = nameProblem(run);
  if (misnamed) return misnamed;
  const record = await readKeyRecord(deps.store, namespace, hash);
  if (!record || record.run.uid === uid || Date.parse(record.expiresAt) <= deps.clock()) return undefined;
  if (record.generation < generationOf(run)) return undefined;
  const original = await readHistory(deps.store, namespace, record.run);
  const what = run.spec.idempotencyKey === undefined ? `The name ${name}` : "The idempotency key";
  return {
    type: "Duplicate",
    original: record.run,
    phase: record.phase,
    message: `${what} was used by an earlier run, which ended ${record.phase}; this one has its result and did not run.`,
    output: original?.status?.output,
    outputRef: original?.status?.outputRef,
    error: original?.status?.error,
  };
}

/** The record of a retired run's key; undefined for a run without a key. */
export function recordOf(
  run: TaskRun,
  historySeconds: number,
): { hash: string; record: KeyRecord } | undefined {
  const hash = recordHash(run);
  const { phase, finishedAt } = run.status ?? {};
  if (!hash || !phase || nameProblem(run)) return undefined;
  const keyed = run.spec.idempotencyKey !== undefined;
  const expiresMs = keyed ? keyExpiresAt(run) : Date.parse(finishedAt ?? "") + historySeconds * 1000;
  const { name, uid } = run.metadata;
  const expiresAt = new Date(expiresMs).toISOString();
  const freed = run.metadata.annotations?.[keyResetAnnotation] === "true";
  return {
    hash,
    record: {
      generation: generationOf(run),
      run: { name, uid },
      phase,
      finishedAt,
      expiresAt,
      ...(freed ? { freed } : {}),
    },
  };
}

/**
 * The name of a debounced run is not used again: the record of its key has the generation of the last retired
 * one.
 */
export function debounceRecordOf(
  run: TaskRun,
  historySeconds: number,
): { hash: string; record: KeyRecord } | undefined {
  const hash = debouncedHash(run);
  const { phase, finishedAt } = run.status ?? {};
  if (!hash || !phase || !finishedAt) return undefined;
  const { name, uid } = run.metadata;
  const expiresAt = new Date(Date.parse(finishedAt) + historySeconds * 1000).toISOString();
  const generation = run.spec.debounce?.generation ?? 0;
  return { hash, record: { generation, run: { name, uid }, phase, finishedAt, expiresAt } };
}

/** Values of the index "record" of the cache of runs: the records that a live run's names depend on. */
export const recordIndex = (run: TaskRun): string[] =>
  [recordHash(run), debouncedHash(run)].flatMap((hash) =>
    hash === undefined ? [] : [`${run.metadata.namespace}/${hash}`],
  );

function debouncedHash({ metadata, spec }: TaskRun): string | undefined {
  if (!spec.debounce || spec.task === undefined) return undefined;
  return debounceHash(metadata.namespace, spec.task, spec.debounce.key);
}

const generationOf = (run: TaskRun): number =>
  run.spec.idempotencyKey === undefined ? 0 : (run.spec.idempotencyKeyGeneration ?? 0);

function recordHash({ metadata, spec }: TaskRun): string | undefined {
  if (spec.idempotencyKey !== undefined)
    return keyHash(metadata.namespace, spec.task ?? "", spec.idempotencyKey);
  if (spec.ttlSecondsAfterFinished === undefined || metadata.labels?.[originLabel]) return undefined;
  return appliedHash(metadata.namespace, metadata.name);
}

function nameProblem({ metadata, spec }: TaskRun): RunEvent | undefined {
  if (spec.idempotencyKey === undefined) return undefined;
  const generation = spec.idempotencyKeyGeneration ?? 0;
  const name = keyedRunName(metadata.namespace, spec.task ?? "", spec.idempotencyKey, generation);
  if (name === metadata.name) return undefined;
  const message = `spec.idempotencyKey is honoured only under the name that is made from it: call this TaskRun ${name}, or leave the key out: the name of an applied TaskRun is its key.`;
  return { type: "Rejected", reason: "IdempotencyKeyName", message };
}
