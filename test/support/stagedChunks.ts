/** The numbers of a batch's chunks in the bucket, in order. */
import { batchFolder } from "../../operator/src/storage/layout.ts";
import { objectsBelow } from "../../operator/src/storage/listing.ts";
import type { Stores } from "../../operator/src/storage/objectStore.ts";

export async function stagedChunks(
  stores: Stores<"list">,
  batch: Parameters<typeof batchFolder>[0],
): Promise<number[]> {
  const folder = `${batchFolder(batch)}items/`;
  const chunks: number[] = [];
  for await (const { key } of objectsBelow(stores.of(batch.namespace), folder))
    chunks.push(Number(key.slice(folder.length)));
  return chunks;
}
