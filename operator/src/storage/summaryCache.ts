/**
 * Summaries of history in memory: a bucket of which each summary is read once. A summary is written once and
 * does not change; one that was deleted is not listed any more.
 */
import { LRUCache } from "lru-cache";
import { historyIndexPrefix } from "./layout.ts";
import type { NamespaceStore, Stores } from "./objectStore.ts";

type Answer = NonNullable<Awaited<ReturnType<NamespaceStore["get"]>>>;

type Used = Stores<"get" | "list" | "unreadable">;

/** `maxBytes`: of all that are kept. */
export function withSummaries(stores: Used, maxBytes: number): Used {
  const kept = new LRUCache<string, Answer>({
    maxSize: maxBytes,
    sizeCalculation: ({ body }, key) => body.length + key.length + 100,
  });
  return {
    of(namespace) {
      const store = stores.of(namespace);
      return {
        list: (prefix, options) => store.list(prefix, options),
        unreadable: (key, error) => store.unreadable(key, error),
        async get(key, options) {
          if (!key.startsWith(historyIndexPrefix(namespace))) return store.get(key, options);
          const known = kept.get(key);
          if (known) return known;
          const answer = await store.get(key, options);
          if (answer) kept.set(key, answer);
          return answer;
        },
      };
    },
  };
}
