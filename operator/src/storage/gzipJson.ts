/** A value as a compressed JSON object in the bucket. */
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { parseExact } from "../lib/exactJson.ts";
import type { NamespaceStore } from "./objectStore.ts";

/** Compressed size: more than the API server allows one resource. */
const maxBytes = 4 * 1024 * 1024;
const [compress, decompress] = [promisify(gzip), promisify(gunzip)];

export async function putJson(store: Pick<NamespaceStore, "put">, key: string, value: object): Promise<void> {
  await store.put(key, await compress(JSON.stringify(value)), { type: "application/gzip" });
}

/** Undefined when there is no such object. */
export async function getJson<T>(store: Pick<NamespaceStore, "get">, key: string): Promise<T | undefined> {
  const object = await store.get(key, { maxBytes });
  return object && (parseExact((await decompress(object.body)).toString("utf8")) as T);
}
