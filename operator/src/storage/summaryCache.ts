/**
 * Summaries of history in memory: a bucket of which each summary is read once. A summary is written once and
 * does not change; one that was deleted is not listed any more.
 */
import { LRUCache } from "lru-cache";
import type { ObjectStore } from "./objectStore.ts";

type Store = Pick<ObjectStore, "get" | "list">;
type Answer = NonNullable<Awaited<ReturnType<Store["get"]>>>;

const isSummary = (key: string): boolean => /^ns\/[^/]+\/history\/index\//.test(key);

/** `maxBytes`: of all that are kept. */
export function withSummaries(store: Store, maxBytes: number): Store {
  const kept = new LRUCache<string, Answer>({
    maxSize: maxBytes,
    sizeCalculation: ({ body }, key) => body.length + key.length + 100,
  });
  return {
    list: (prefix, options) => store.list(prefix, options),
    async get(key, options) {
      if (!isSummary(key)) return store.get(key, options);
      const known = kept.get(key);
      if (known) return known;
      const answer = await store.get(key, options);
      if (answer) kept.set(key, answer);
      return answer;
    },
  };
}
