/** The record of an idempotency key, or of an applied run's name, that stays when its run is retired. */
import { z } from "zod";
import { phases } from "../model/schema/taskRun.ts";
import { keyRecordKey } from "./layout.ts";
import type { ObjectStore } from "./objectStore.ts";

const keyRecord = z.object({
  generation: z.int().min(0),
  run: z.object({ name: z.string(), uid: z.string() }),
  phase: z.enum(phases),
  /** RFC 3339. After it the record counts as absent, and is swept. */
  expiresAt: z.iso.datetime(),
  /** The key was reset: the next generation may run. */
  freed: z.boolean().optional(),
});

export type KeyRecord = z.infer<typeof keyRecord>;

const maxBytes = 4096;

export async function readKeyRecord(
  store: Pick<ObjectStore, "get">,
  namespace: string,
  hash: string,
): Promise<KeyRecord | undefined> {
  const object = await store.get(keyRecordKey(namespace, hash), { maxBytes });
  return object && parseKeyRecord(object.body);
}

export function parseKeyRecord(body: Uint8Array): KeyRecord | undefined {
  return keyRecord.parse(JSON.parse(new TextDecoder().decode(body)));
}

export function writeKeyRecord(
  store: Pick<ObjectStore, "put">,
  namespace: string,
  hash: string,
  record: KeyRecord,
): Promise<void> {
  return store.put(keyRecordKey(namespace, hash), JSON.stringify(record), { type: "application/json" });
}
