/**
 * The record of an idempotency key, of a debounce key, or of an applied run's name, that stays when its run
 * is retired. Each generation has its own object and the highest one counts, so that a record only rises: in
 * whatever order runs are retired, and whatever else is written at the same time.
 */
import { z } from "zod";
import { phases } from "../model/schema/taskRun.ts";
import { fileKey } from "./expiry.ts";
import { generationPart, keyRecordKey, keyRecordsPrefix } from "./layout.ts";
import type { NamespaceStore, Stores } from "./objectStore.ts";
import { readable, unlessUnreadable } from "./stored.ts";

const keyRecord = z.object({
  generation: z.int().min(0),
  run: z.object({ name: z.string(), uid: z.string() }),
  phase: z.enum(phases),
  /** RFC 3339. */
  finishedAt: z.iso.datetime().optional(),
  /** RFC 3339. After it the key is free. The record stays as long as history has the run. */
  expiresAt: z.iso.datetime(),
  /** The key was reset: the next generation may run. */
  freed: z.boolean().optional(),
});

export type KeyRecord = z.infer<typeof keyRecord>;

const maxBytes = 4096;

export async function readKeyRecord(
  stores: Stores<"get" | "list" | "unreadable">,
  namespace: string,
  hash: string,
): Promise<KeyRecord | undefined> {
  const store = stores.of(namespace);
  const { objects } = await store.list(keyRecordsPrefix(namespace, hash), { limit: 1 });
  const highest = objects[0];
  return highest && readRecord(store, highest.key);
}

/** Undefined when it is gone. */
export async function readRecord(
  store: Pick<NamespaceStore, "get" | "unreadable">,
  key: string,
): Promise<KeyRecord | undefined> {
  const object = await store.get(key, { maxBytes });
  return (
    object &&
    readable(store, key, () => {
      const record = keyRecord.parse(JSON.parse(new TextDecoder().decode(object.body)));
      if (key.endsWith(`/${generationPart(record.generation)}`)) return record;
      throw new Error(`it says that it is of generation ${record.generation}`);
    })
  );
}

/**
 * Writes the record of one generation. Repeated for the same run, a reset that came in between stays in
 * force.
 */
export async function writeKeyRecord(
  stores: Stores<"get" | "put" | "unreadable">,
  namespace: string,
  hash: string,
  record: KeyRecord,
): Promise<void> {
  const store = stores.of(namespace);
  const key = keyRecordKey(namespace, hash, record.generation);
  const known = await readRecord(store, key).catch(unlessUnreadable);
  await fileKey(stores, namespace, hash, Date.parse(record.expiresAt));
  const freed = known?.freed && known.run.uid === record.run.uid ? { freed: true } : {};
  await store.put(key, JSON.stringify({ ...record, ...freed }), { type: "application/json" });
}
