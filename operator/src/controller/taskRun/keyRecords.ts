/** The records of keys that a run has a part in (storage/keyRecord.ts). Pure. */
import { keyResetAnnotation, originLabel } from "@fairlead/protocol/labels";
import { debounceGeneration, debounceHash } from "../../model/keys/debounce.ts";
import { appliedHash, keyExpiresAt, keyedRunName, keyHash } from "../../model/keys/idempotency.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import type { KeyRecord } from "../../storage/keyRecord.ts";

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
  const generation = debounceGeneration(run);
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

export const generationOf = (run: TaskRun): number =>
  run.spec.idempotencyKey === undefined ? 0 : (run.spec.idempotencyKeyGeneration ?? 0);

export function recordHash({ metadata, spec }: TaskRun): string | undefined {
  if (spec.idempotencyKey !== undefined)
    return keyHash(metadata.namespace, spec.task ?? "", spec.idempotencyKey);
  if (spec.ttlSecondsAfterFinished === undefined || metadata.labels?.[originLabel]) return undefined;
  return appliedHash(metadata.namespace, metadata.name);
}

export function nameProblem({ metadata, spec }: TaskRun): RunEvent | undefined {
  if (spec.idempotencyKey === undefined) return undefined;
  const generation = spec.idempotencyKeyGeneration ?? 0;
  const name = keyedRunName(metadata.namespace, spec.task ?? "", spec.idempotencyKey, generation);
  if (name === metadata.name) return undefined;
  const message = `spec.idempotencyKey is honoured only under the name that is made from it: call this TaskRun ${name}, or leave the key out: the name of an applied TaskRun is its key.`;
  return { type: "Rejected", reason: "IdempotencyKeyName", message };
}
