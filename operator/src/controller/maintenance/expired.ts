/**
 * Deletes what is due: retired runs and batches with all that belongs to them, and records of keys. Reads the
 * entries that are due (storage/expiry.ts), and nothing of what is retained: a round in which nothing expires
 * is two listings a namespace, however much the bucket has.
 *
 * Namespaces take turns, a slice each, so that one of which much is due keeps no other waiting.
 */
import { inParallel } from "../../lib/parallel.ts";
import { BadKeyError } from "../../model/keys/objectKey.ts";
import {
  type Entry,
  endedPrefix,
  entriesBefore,
  fileKey,
  keyExpiryPrefix,
  parseEnded,
} from "../../storage/expiry.ts";
import { readRecord } from "../../storage/keyRecord.ts";
import {
  batchFolder,
  historyIndexPrefix,
  historyKey,
  keyRecordsPrefix,
  payloadsPrefix,
  runFolder,
} from "../../storage/layout.ts";
import { objectsBelow } from "../../storage/listing.ts";
import { unlessUnreadable } from "../../storage/stored.ts";
import type { SweepRound } from "./sweepRound.ts";

const [namespacesAtOnce, entriesAtOnce, sliceSize] = [4, 8, 200];
const hourMs = 3_600_000;
const maxKeyBytes = 1024;

interface Turn {
  namespace: string;
  entries: AsyncIterator<Entry>;
  handle: (round: SweepRound, namespace: string, entries: Entry[]) => Promise<void>;
}

export async function deleteExpired(round: SweepRound, namespaces: readonly string[]): Promise<void> {
  const { horizonMs, nowMs } = round;
  const turnsOf = (namespace: string): Turn[] => [
    {
      namespace,
      entries: entriesBefore(round.storeOf(namespace), endedPrefix(namespace), horizonMs),
      handle: deleteEnded,
    },
    {
      namespace,
      entries: entriesBefore(round.storeOf(namespace), keyExpiryPrefix(namespace), nowMs),
      handle: deleteKeys,
    },
  ];
  // Histories first: a key's record stays as long as its run is there.
  for (const kind of [0, 1]) {
    let turns = namespaces.flatMap((namespace) => turnsOf(namespace)[kind] ?? []);
    while (turns.length > 0 && !round.isOver) {
      const next: Turn[] = [];
      const take = (turn: Turn): Promise<void> =>
        round.part(turn.namespace, async () => {
          const slice = await takeSlice(turn.entries);
          await turn.handle(round, turn.namespace, slice);
          if (slice.length === sliceSize) next.push(turn);
        });
      await inParallel(turns.values(), namespacesAtOnce, take, () => !round.isOver);
      turns = next;
    }
  }
}

async function takeSlice(entries: AsyncIterator<Entry>): Promise<Entry[]> {
  const slice: Entry[] = [];
  while (slice.length < sliceSize) {
    const next = await entries.next();
    if (next.done) break;
    slice.push(next.value);
  }
  return slice;
}

/** The entries go when everything else is gone: until then the next round finds the rest. */
async function deleteEnded(round: SweepRound, namespace: string, entries: Entry[]): Promise<void> {
  const found: { entry: Entry; keys: string[] }[] = [];
  await inParallel(entries.values(), entriesAtOnce, async (entry) => {
    const keys = await keysOf(round, namespace, entry).catch((error: unknown) => {
      // A name too long to be ours.
      if (!(error instanceof BadKeyError)) throw error;
      round.skip(namespace, entry.key, error);
    });
    if (keys) found.push({ entry, keys });
  });
  const failed = await round.delete(
    namespace,
    found.flatMap(({ keys }) => keys),
  );
  const over = found.filter(({ keys }) => !keys.some((key) => failed.has(key)));
  await round.delete(
    namespace,
    over.map(({ entry }) => entry.key),
  );
}

/** What is to be deleted; undefined: nothing, since it is still needed, or the entry says nothing. */
async function keysOf(round: SweepRound, namespace: string, entry: Entry): Promise<string[] | undefined> {
  const ended = parseEnded(entry.name);
  if (!ended) {
    round.skip(namespace, entry.key, new Error("its name is none of ours"));
    return undefined;
  }
  const { kind, name, uid, cursor } = ended;
  const meta = { namespace, name, uid };
  const folder = kind === "run" ? runFolder(meta) : batchFolder(meta);
  // A duplicate shows the outputs of the run that it repeats, and a batch that was applied again its results.
  if (round.isAlive(kind, namespace, name, uid) || round.isReferred(folder)) return undefined;
  const keys: string[] = [];
  for await (const { key } of objectsBelow(round.storeOf(namespace), folder)) keys.push(key);
  if (kind === "batch") return keys;
  const payloadKey = entry.hasPayload ? await readPayloadKey(round, namespace, entry.key) : undefined;
  const isOwn = payloadKey?.startsWith(`${payloadsPrefix(namespace)}${name}.`);
  if (payloadKey && isOwn && !round.isReferred(payloadKey)) keys.push(payloadKey);
  return [...keys, historyKey(meta), historyIndexPrefix(namespace) + cursor];
}

async function readPayloadKey(
  round: SweepRound,
  namespace: string,
  key: string,
): Promise<string | undefined> {
  const object = await round.storeOf(namespace).get(key, { maxBytes: maxKeyBytes });
  return object && new TextDecoder().decode(object.body);
}

/** What is left of a key's records is filed again, before this entry of theirs is deleted. */
async function deleteKeys(round: SweepRound, namespace: string, entries: Entry[]): Promise<void> {
  const over: string[] = [];
  await inParallel(entries.values(), entriesAtOnce, async ({ key, name: hash }) => {
    const nextMs = await deleteRecords(round, namespace, hash);
    if (nextMs !== undefined)
      await fileKey(round.deps.store, namespace, hash, Math.max(nextMs, round.nowMs + hourMs));
    over.push(key);
  });
  await round.delete(namespace, over);
}

/**
 * Deletes records of a key from the lowest generation to the highest: while one is left, the generations
 * below it are not used again. The highest stays with the others, and as long as a run lives that has the
 * key. Returns when the next one may go; undefined: none is left.
 */
export async function deleteRecords(
  round: SweepRound,
  namespace: string,
  hash: string,
): Promise<number | undefined> {
  const { runs } = round.deps;
  const store = round.storeOf(namespace);
  const keys: string[] = [];
  for await (const { key } of objectsBelow(store, keyRecordsPrefix(namespace, hash))) keys.push(key);
  const left = new Map<string, number>();
  for (const key of keys.toReversed()) {
    const dueMs = await recordDue(round, namespace, key);
    if (dueMs === undefined) continue;
    const isHighest = key === keys[0];
    const isNeeded =
      isHighest && (left.size > 0 || runs.byIndex("record", `${namespace}/${hash}`).length > 0);
    if (dueMs <= round.nowMs && !isNeeded) await round.delete(namespace, [key]);
    else left.set(key, dueMs);
  }
  return left.size === 0 ? undefined : Math.min(...left.values());
}

/** A name is not used again while history has it. Undefined: the record is gone, or none. */
async function recordDue(round: SweepRound, namespace: string, key: string): Promise<number | undefined> {
  const { config } = round.deps;
  const store = round.storeOf(namespace);
  try {
    const record = await readRecord(store, key);
    if (!record) return undefined;
    const { run, expiresAt, finishedAt = expiresAt } = record;
    const dueMs = Math.max(Date.parse(expiresAt), Date.parse(finishedAt) + config.historySeconds * 1000);
    if (dueMs > round.nowMs) return dueMs;
    const isInHistory = (await store.head(historyKey({ namespace, ...run }))) !== undefined;
    return isInHistory ? round.nowMs + hourMs : dueMs;
  } catch (error) {
    if (error instanceof BadKeyError) round.skip(namespace, key, error);
    else unlessUnreadable(error);
    return undefined;
  }
}
