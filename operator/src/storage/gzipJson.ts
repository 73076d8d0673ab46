/** A value as a compressed JSON object in the bucket. */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { parseExact } from "../lib/exactJson.ts";
import type { NamespaceStore } from "./objectStore.ts";
import { readable } from "./stored.ts";

/** Compressed size: more than the API server allows one resource. And what it may become. */
const [maxBytes, maxTextBytes] = [4 * 1024 * 1024, 16 * 1024 * 1024];
const [compress, decompress] = [promisify(gzip), promisify(gunzip)];

export async function putJson(store: Pick<NamespaceStore, "put">, key: string, value: object): Promise<void> {
  await store.put(key, await compress(JSON.stringify(value)), { type: "application/gzip" });
}

/** Undefined when there is no such object. Throws UnreadableObject when `check` does, or it is no JSON. */
export async function getJson<T>(
  store: Pick<NamespaceStore, "get" | "unreadable">,
  key: string,
  check: (value: unknown) => T,
): Promise<T | undefined> {
  const object = await store.get(key, { maxBytes });
  return (
    object &&
    readable(store, key, async () => {
      const text = await decompress(object.body, { maxOutputLength: maxTextBytes });
      return check(parseExact(text.toString("utf8")));
    })
  );
}
