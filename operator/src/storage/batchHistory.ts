/**
 * A batch that went is one compressed object beside its items and results, and stays and goes with them. A name may
 * have had several batches, one after the other; each has its record.
 */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { TaskBatch } from "../model/resources.ts";
import { batchesPrefix, batchRecordKey } from "./layout.ts";
import type { ObjectStore } from "./objectStore.ts";

const maxBytes = 4 * 1024 * 1024;
const [compress, decompress] = [promisify(gzip), promisify(gunzip)];

/** `batch` with its items, as the API server has it. Is written again without harm. */
export async function writeBatchHistory(store: Pick<ObjectStore, "put">, batch: TaskBatch): Promise<void> {
  const body = await compress(JSON.stringify(batch));
  await store.put(batchRecordKey(batch.metadata), body, { type: "application/gzip" });
}

/**
 * The last batch of that name that went; one that was aborted, so that nothing of it ran, only when there is no other.
 * Of a name with more folders than fit on a page (1,000) only those on it are looked at.
 */
export async function readBatchHistory(
  store: Pick<ObjectStore, "get" | "list">,
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const prefix = `${batchesPrefix(namespace)}${name}.`;
  const { folders } = await store.list(prefix, { limit: 1000, delimiter: "/" });
  // Behind the name comes a uid, which has no dot: `a.b.<uid>` is of the batch `a.b`.
  const uids = folders.map((folder) => folder.slice(prefix.length, -1)).filter((uid) => !uid.includes("."));
  const records: TaskBatch[] = [];
  for (const uid of uids) {
    const object = await store.get(batchRecordKey({ namespace, name, uid }), { maxBytes });
    if (object) records.push(JSON.parse((await decompress(object.body)).toString("utf8")) as TaskBatch);
  }
  const rank = ({ status }: TaskBatch): string => `${status?.phase !== "Aborted"} ${status?.finishedAt}`;
  return records.sort((a, b) => rank(a).localeCompare(rank(b))).at(-1);
}
