/**
 * What a token for one use has made, as a record beside those of idempotency keys: the first use writes it,
 * and none after it. It stays as long as the token is valid, which may be longer than the history of what was
 * made. Written before that is made: a use that broke off is repeated under the same name.
 */
import { fileKey } from "./expiry.ts";
import { readRecord } from "./keyRecord.ts";
import { keyRecordKey } from "./layout.ts";
import type { Stores } from "./objectStore.ts";

interface TokenUse {
  namespace: string;
  /** Of the token. */
  hash: string;
  /** Of the run or batch. */
  name: string;
  nowMs: number;
  /** When the token expires. */
  untilMs: number;
}

/** Later years have more digits, and would be filed before the others. */
const latestMs = Date.UTC(9999, 11, 31);

/** The name of the first use, and when that was. */
export async function firstUse(
  stores: Stores<"get" | "put" | "putNew" | "unreadable">,
  { namespace, hash, name, nowMs, untilMs }: TokenUse,
): Promise<{ name: string; atMs: number }> {
  const store = stores.of(namespace);
  const key = keyRecordKey(namespace, hash, 0);
  const known = await readRecord(store, key);
  if (known) return { name: known.run.name, atMs: Date.parse(known.finishedAt ?? "") };
  const expiresMs = Math.min(untilMs, latestMs);
  const record = {
    generation: 0,
    run: { name, uid: "" },
    phase: "Completed",
    finishedAt: new Date(nowMs).toISOString(),
    expiresAt: new Date(expiresMs).toISOString(),
  };
  await fileKey(stores, namespace, hash, expiresMs);
  const isFirst = await store.putNew(key, JSON.stringify(record), { type: "application/json" });
  if (isFirst) return { name, atMs: nowMs };
  const other = await readRecord(store, key);
  if (!other) throw new Error(`the record of a token's use, ${key}, is gone`);
  return { name: other.run.name, atMs: Date.parse(other.finishedAt ?? "") };
}
