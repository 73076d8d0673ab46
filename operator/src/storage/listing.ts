/** Walks all objects or folders below a prefix, in the order of keys, a page of 1,000 at a time. */
import type { Bucket, ObjectPage } from "./bucket.ts";

const limit = 1000;

export async function* objectsBelow(
  store: Pick<Bucket, "list">,
  prefix: string,
  startAfter?: string,
): AsyncGenerator<ObjectPage["objects"][number], void, undefined> {
  for (let after = startAfter; ; ) {
    const page = await store.list(prefix, { startAfter: after, limit });
    yield* page.objects;
    if (!page.more) return;
    after = page.objects.at(-1)?.key;
  }
}

/** Full keys up to the next slash, including it. */
export async function* foldersBelow(
  store: Pick<Bucket, "list">,
  prefix: string,
  startAfter?: string,
): AsyncGenerator<string, void, undefined> {
  for (let after = startAfter; ; ) {
    const page = await store.list(prefix, { startAfter: after, limit, delimiter: "/" });
    yield* page.folders;
    const last = page.folders.at(-1);
    if (!page.more || !last) return;
    // Sorts after everything in the last folder.
    after = `${last}\uffff`;
  }
}
