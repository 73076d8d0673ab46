/**
 * The run of an idempotency key. Its name is derived from the key and a generation, which counts how often
 * the key became free.
 *
 * The bucket remembers the last retired run of a key; the runs of later generations are live. So the way to a
 * key's run is always the same: the record first, then generation after generation until one is free or holds
 * the key. Callers differ in what they do there: create, only look, or free the key.
 */
import { isHeld, keyedRunName, keyHash } from "../model/keys/idempotency.ts";
import { type Generation, generationsFrom } from "../model/keys/names.ts";
import type { Phase } from "../model/resources.ts";
import { type KeyRecord, readKeyRecord, writeKeyRecord } from "../storage/keyRecord.ts";
import type { Stores } from "../storage/objectStore.ts";

export interface RunKey {
  namespace: string;
  /** Empty for an inline container. */
  task: string;
  key: string;
}

type KeyCandidate =
  /** A retired run holds the key. */
  | { name: string; retired: { uid: string; phase: Phase } }
  /** Either no run has the name, and creating one takes the key; or a live run has it. */
  | (Generation & { retired?: undefined });

/** Where a key may be held, or free, in order. `from`: earlier generations do not count. */
export async function* keyCandidates(
  deps: { store: Stores<"get" | "list" | "unreadable">; clock: () => number },
  key: RunKey,
  from = 0,
): AsyncGenerator<KeyCandidate, void> {
  const record = await readRecordOf(deps.store, key);
  const counts = record && record.generation >= from;
  if (counts && isRecordHeld(record, deps.clock())) {
    const { run, phase } = record;
    yield { name: run.name, retired: { uid: run.uid, phase } };
  }
  yield* liveGenerations(key, counts ? record : undefined, from);
}

/**
 * The generations that no retired run has had, also when the record's time is over: a later run may be live.
 */
export const liveGenerations = (
  { namespace, task, key }: RunKey,
  record: KeyRecord | undefined,
  from = 0,
): Generator<Generation, void> =>
  generationsFrom(record ? record.generation + 1 : from, (generation) =>
    keyedRunName(namespace, task, key, generation),
  );

export const readRecordOf = (
  store: Stores<"get" | "list" | "unreadable">,
  { namespace, task, key }: RunKey,
): Promise<KeyRecord | undefined> => readKeyRecord(store, namespace, keyHash(namespace, task, key));

export const writeRecordOf = (
  store: Stores<"get" | "put" | "unreadable">,
  { namespace, task, key }: RunKey,
  record: KeyRecord,
): Promise<void> => writeKeyRecord(store, namespace, keyHash(namespace, task, key), record);

const isRecordHeld = ({ phase, freed = false, expiresAt }: KeyRecord, nowMs: number): boolean =>
  isHeld({ phase, freed, expiresAt: Date.parse(expiresAt) }, nowMs);
