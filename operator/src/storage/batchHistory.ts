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

/** The last batch of that name that went; one that was aborted, so that nothing of it ran, only when there is no other. */
export async function readBatchHistory(
  store: Pick<ObjectStore, "get" | "list">,
  namespace: string,
  name: string,
): Promise<TaskBatch | undefined> {
  const prefix = `${batchesPrefix(namespace)}${name}.`;
  let last: TaskBatch | undefined;
  for (let after: string | undefined; ; ) {
    const page = await store.list(prefix, { startAfter: after, limit: 1000, delimiter: "/" });
    for (const folder of page.folders) {
      const uid = folder.slice(prefix.length, -1);
      // Behind the name comes a uid, which has no dot: `a.b.<uid>` is of the batch `a.b`.
      if (uid.includes(".")) continue;
      const object = await store.get(batchRecordKey({ namespace, name, uid }), { maxBytes });
      if (!object) continue;
      const batch = JSON.parse((await decompress(object.body)).toString("utf8")) as TaskBatch;
      if (!last || rank(batch) > rank(last)) last = batch;
    }
    const end = page.folders.at(-1);
    if (!page.more || !end) return last;
    // Behind everything in the last folder.
    after = `${end}\uffff`;
  }
}

const rank = ({ status }: TaskBatch): string => `${status?.phase !== "Aborted"} ${status?.finishedAt}`;
