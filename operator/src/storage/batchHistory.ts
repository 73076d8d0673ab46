/**
 * A batch that went is one compressed object beside its items and results, and stays and goes with them. A name may
 * have had several batches, one after the other; each has its record.
 */
import type { TaskBatch } from "../model/resources.ts";
import { getJson, putJson } from "./gzipJson.ts";
import { batchesPrefix, batchRecordKey } from "./layout.ts";
import { foldersBelow } from "./listing.ts";
import type { ObjectStore } from "./objectStore.ts";

/** `batch` with its items, as the API server has it. Is written again without harm. */
export const writeBatchHistory = (store: Pick<ObjectStore, "put">, batch: TaskBatch): Promise<void> =>
  putJson(store, batchRecordKey(batch.metadata), batch);

/** The last batch of that name that went; one that was aborted, so that nothing of it ran, only when there is no other. */
export async function readBatchHistory(
  store: Pick<ObjectStore, "get" | "list">,
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const prefix = `${batchesPrefix(namespace)}${name}.`;
  let last: TaskBatch | undefined;
  for await (const folder of foldersBelow(store, prefix)) {
    const uid = folder.slice(prefix.length, -1);
    // Behind the name comes a uid, which has no dot: `a.b.<uid>` is of the batch `a.b`.
    if (uid.includes(".")) continue;
    const batch = await getJson<TaskBatch>(store, batchRecordKey({ namespace, name, uid }));
    if (batch && (!last || rank(batch) > rank(last))) last = batch;
  }
  return last;
}

const rank = ({ status }: TaskBatch): string => `${status?.phase !== "Aborted"} ${status?.finishedAt}`;
