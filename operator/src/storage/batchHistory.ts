/**
 * A retired batch is one compressed object beside its items and results, and is kept as long as they are. A
 * name may have had several batches, one after the other; each has its record.
 */
import type { TaskBatch } from "../model/resources.ts";
import { fileBatch } from "./expiry.ts";
import { getJson, putJson } from "./gzipJson.ts";
import { batchesPrefix, batchRecordKey } from "./layout.ts";
import { foldersBelow } from "./listing.ts";
import type { Stores } from "./objectStore.ts";
import { storedBatch } from "./stored.ts";

/** `batch` with its items, as the API server has it. May be repeated. */
export async function writeBatchHistory(stores: Stores<"put">, batch: TaskBatch): Promise<void> {
  const { metadata, status } = batch;
  await fileBatch(stores, metadata, Date.parse(status?.finishedAt ?? metadata.creationTimestamp ?? ""));
  await putJson(stores.of(metadata.namespace), batchRecordKey(metadata), batch);
}

/** The last retired batch of that name; an aborted one, of which nothing ran, only if there is no other. */
export async function readBatchHistory(
  stores: Stores<"get" | "list" | "unreadable">,
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const store = stores.of(namespace);
  const prefix = `${batchesPrefix(namespace)}${name}.`;
  let last: TaskBatch | undefined;
  for await (const folder of foldersBelow(store, prefix)) {
    const uid = folder.slice(prefix.length, -1);
    // After the name comes a uid, which has no dot: `a.b.<uid>` is of the batch `a.b`.
    if (uid.includes(".")) continue;
    const identity = { namespace, name, uid };
    const batch = await getJson(store, batchRecordKey(identity), (value) => storedBatch(value, identity));
    if (batch && (!last || rank(batch) > rank(last))) last = batch;
  }
  return last;
}

const rank = ({ status }: TaskBatch): string => `${status?.phase !== "Aborted"} ${status?.finishedAt}`;
