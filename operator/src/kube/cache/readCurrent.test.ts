import fc from "fast-check";
import { expect, test } from "vitest";
import type { KubeObject, Resource } from "../resources.ts";
import { readCurrent } from "./readCurrent.ts";

interface Thing extends KubeObject {
  value: number;
}
const things = {
  group: "g",
  version: "v1",
  plural: "things",
  kind: "Thing",
  namespaced: true,
} as Resource<Thing>;
const thing = (name: string, uid: string, version: number): Thing => ({
  metadata: { name, uid, resourceVersion: `${version}` },
  value: version,
});

/** `changesAfter`: what the server has after the list was made. */
function world(server: Thing[], cache: Thing[], changesAfter: Thing[] | undefined = server) {
  const asked = { metadata: 0, whole: 0, single: 0 };
  const reading = {
    client: {
      async *listAll(_resource: unknown, _namespace: unknown, { metadataOnly }: { metadataOnly?: boolean }) {
        for (const { metadata, value } of server) {
          asked[metadataOnly ? "metadata" : "whole"]++;
          yield metadataOnly ? { metadata } : { metadata, value };
        }
      },
      async get(_resource: unknown, _namespace: string, name: string) {
        asked.single++;
        return changesAfter.find(({ metadata }) => metadata?.name === name);
      },
    },
    cache: {
      get: (_namespace: string, name: string) => cache.find(({ metadata }) => metadata?.name === name),
    },
    resource: things,
    transform: (object: Thing) => object,
  } as unknown as Parameters<typeof readCurrent<Thing, Thing>>[0];
  return { asked, read: () => readCurrent(reading, "n") };
}

const byName = (list: Thing[]): Thing[] =>
  [...list].sort((a, b) => ((a.metadata?.name ?? "") < (b.metadata?.name ?? "") ? -1 : 1));

test("what the cache has in its version costs no read, and the rest one each", async () => {
  const server = Array.from({ length: 1000 }, (_, n) => thing(`t${n}`, `u${n}`, 1));
  const cache = server.map((one, n) =>
    n < 5 ? { ...one, metadata: { ...one.metadata, resourceVersion: "0" } } : one,
  );
  const { asked, read } = world(server, cache);
  expect(await read()).toHaveLength(1000);
  expect(asked).toEqual({ metadata: 1000, whole: 0, single: 5 });
});

test("a cache that is far behind costs one whole list", async () => {
  const server = Array.from({ length: 1000 }, (_, n) => thing(`t${n}`, `u${n}`, 1));
  const { asked, read } = world(server, []);
  expect(byName(await read())).toEqual(byName(server));
  expect(asked).toEqual({ metadata: 201, whole: 1000, single: 0 });
});

test("whatever the cache has, the answer is what the server has; one that went meanwhile is not in it", async () => {
  const name = fc.integer({ min: 0, max: 9 });
  const object = fc.tuple(name, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 2 }));
  const objects = fc
    .uniqueArray(object, { selector: ([n]) => n })
    .map((list) => list.map(([n, uid, version]) => thing(`t${n}`, `u${n}-${uid}`, 10 * uid + version)));
  await fc.assert(
    fc.asyncProperty(objects, objects, fc.array(name), async (server, cache, gone) => {
      const left = server.filter(({ metadata }) => !gone.some((n) => metadata?.name === `t${n}`));
      const { read } = world(server, cache, left);
      const isCached = (one: Thing) =>
        cache.some(
          ({ metadata }) =>
            metadata?.uid === one.metadata?.uid &&
            metadata?.resourceVersion === one.metadata?.resourceVersion,
        );
      const expected = server.filter((one) => left.includes(one) || isCached(one));
      expect(byName(await read())).toEqual(byName(expected));
    }),
  );
});
