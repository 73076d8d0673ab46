/** The bucket in memory with its stores, for tests and benchmarks. Counts its requests. */
import { Readable } from "node:stream";
import { ObjectStore, type RawBucket } from "./objectStore.ts";

type Request = "delete" | "deleteMany" | "get" | "head" | "list" | "put";

export interface TestStore extends RawBucket, Pick<ObjectStore, "of" | "own" | "namespaces"> {
  keys(): string[];
  readonly unreadable: number;
  /** Since the beginning, by their kinds. */
  requests: Record<Request, number>;
}

/** `clock`: the time that an object is modified at. */
export function testStore(clock: () => number): TestStore {
  const objects = new Map<string, { body: Uint8Array; type: string; modifiedMs: number; etag: string }>();
  let writes = 0;
  const requests = { delete: 0, deleteMany: 0, get: 0, head: 0, list: 0, put: 0 };
  let sorted: string[] | undefined;
  const keys = (): string[] => {
    sorted ??= [...objects.keys()].sort();
    return sorted;
  };
  const remove = (key: string): void => {
    if (objects.delete(key)) sorted = undefined;
  };
  const bucket: RawBucket = {
    async ensureBucket() {},
    async putNew(key, body, options) {
      if (objects.has(key)) return false;
      await bucket.put(key, body, options);
      return true;
    },
    async copy(from, to, { etag } = {}) {
      const { body, type, etag: now } = objects.get(from) ?? raise(`there is no object ${from}`);
      if (etag !== undefined && etag !== now) return false;
      await bucket.put(to, body, { type });
      return true;
    },
    async read(key) {
      const object = objects.get(key);
      return object && { body: Readable.from([object.body]), size: object.body.length, type: object.type };
    },
    presignGet: async (key) => `memory:${key}`,
    presignPut: async (key) => `memory:${key}`,
    async put(key, body, { type }) {
      requests.put++;
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      if (!objects.has(key)) sorted = undefined;
      objects.set(key, { body: bytes, type, modifiedMs: clock(), etag: String(writes++) });
    },
    async get(key) {
      requests.get++;
      const object = objects.get(key);
      return object && { body: object.body, size: object.body.length, type: object.type };
    },
    async head(key) {
      requests.head++;
      const object = objects.get(key);
      return object && { size: object.body.length, type: object.type, etag: object.etag };
    },
    async delete(key) {
      requests.delete++;
      remove(key);
    },
    async deleteMany(gone) {
      requests.deleteMany += Math.ceil(gone.length / 1000);
      for (const key of gone) remove(key);
      return [];
    },
    async list(prefix, { startAfter = "", limit = 1000, delimiter }) {
      requests.list++;
      const all = keys();
      const page = [];
      const folders = new Set<string>();
      let at = firstAfter(all, startAfter, prefix);
      for (; page.length + folders.size < limit && all[at]?.startsWith(prefix); at++) {
        const key = all[at] ?? "";
        const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
        if (end >= 0) folders.add(key.slice(0, end + 1));
        else page.push({ key, size: objects.get(key)?.body.length ?? 0, modifiedMs: modified(key) });
      }
      return { objects: page, folders: [...folders], more: all[at]?.startsWith(prefix) ?? false };
    },
  };
  const stores = new ObjectStore(bucket);
  return {
    ...bucket,
    keys: () => [...keys()],
    requests,
    get unreadable() {
      return stores.unreadable;
    },
    own: stores.own,
    of: (namespace) => stores.of(namespace),
    namespaces: (after) => stores.namespaces(after),
  };

  function modified(key: string): number {
    return objects.get(key)?.modifiedMs ?? 0;
  }
}

function raise(message: string): never {
  throw new Error(message);
}

/** Index of the first key with this prefix that is after the other one. */
function firstAfter(sorted: readonly string[], after: string, prefix: string): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const key = sorted[middle] ?? "";
    if (key > after && key >= prefix) to = middle;
    else from = middle + 1;
  }
  return from;
}
