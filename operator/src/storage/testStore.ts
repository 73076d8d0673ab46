/** The bucket as a map, for tests. */
import type { ObjectStore } from "./objectStore.ts";

export type TestStore = Pick<ObjectStore, "delete" | "get" | "head" | "list" | "put"> & {
  keys(): string[];
};

/** `clock`: the time that an object is modified at. */
export function testStore(clock: () => number): TestStore {
  const objects = new Map<string, { body: Uint8Array; type: string; modifiedMs: number }>();
  return {
    keys: () => [...objects.keys()].sort(),
    async put(key, body, { type }) {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      objects.set(key, { body: bytes, type, modifiedMs: clock() });
    },
    async get(key) {
      const object = objects.get(key);
      return object && { body: object.body, size: object.body.length, type: object.type };
    },
    async head(key) {
      const object = objects.get(key);
      return object && { size: object.body.length, type: object.type };
    },
    async delete(key) {
      objects.delete(key);
    },
    async list(prefix, { startAfter = "", limit = 1000, delimiter }) {
      const below = [...objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > startAfter);
      const folderOf = (key: string) => {
        const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
        return end === -1 ? undefined : key.slice(0, end + 1);
      };
      const page = below.slice(0, limit);
      return {
        objects: page
          .filter((key) => folderOf(key) === undefined)
          .map((key) => ({ key, size: 0, modifiedMs: objects.get(key)?.modifiedMs ?? 0 })),
        folders: [...new Set(page.flatMap((key) => folderOf(key) ?? []))],
        more: below.length > limit,
      };
    },
  };
}
