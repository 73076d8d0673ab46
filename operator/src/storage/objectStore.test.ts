import fc from "fast-check";
import { expect, test } from "vitest";
import { BadKeyError } from "../model/keys/objectKey.ts";
import { type NamespaceStore, ObjectStore, type RawBucket } from "./objectStore.ts";
import { testStore } from "./testStore.ts";

const text = { type: "text/plain" };
const url = { expiresSeconds: 60, audience: "public" } as const;

/** Every way in which a store is asked for a key. */
const ways: Record<string, (store: NamespaceStore, key: string) => Promise<unknown>> = {
  put: (store, key) => store.put(key, "x", text),
  putNew: (store, key) => store.putNew(key, "x", text),
  head: (store, key) => store.head(key),
  get: (store, key) => store.get(key, { maxBytes: 1 }),
  read: (store, key) => store.read(key),
  copyFrom: (store, key) => store.copy(key, "ns/team-a/packets/own"),
  copyTo: (store, key) => store.copy("ns/team-a/packets/own", key),
  delete: (store, key) => store.delete(key),
  presignGet: (store, key) => store.presignGet(key, url),
  presignPut: (store, key) => store.presignPut(key, url),
  list: (store, key) => store.list(key, { limit: 1 }),
  listAfter: (store, key) => store.list("ns/team-a/packets/", { limit: 1, startAfter: key }),
};

const foreign = [
  "ns/team-b/packets/x",
  "ns/team-ab/packets/x",
  "ns/team-a",
  "team-a/x",
  "",
  "/ns/team-a/x",
  "maintenance/leftovers.json",
];
const malformed = [
  "ns/team-a/../team-b/x",
  "ns/team-a/packets/../../team-b/x",
  "ns/team-a/packets//x",
  "ns/team-a/./x",
  "ns/team-a/packets/a\u0000b",
  `ns/team-a/packets/${"x".repeat(256)}`,
  `ns/team-a/${"x/".repeat(600)}x`,
];

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of source) values.push(value);
  return values;
}

/** A bucket that notes each call that reaches it. */
function watched(): { stores: ObjectStore; calls: string[] } {
  const calls: string[] = [];
  const bucket = new Proxy({} as RawBucket, {
    get: (_target, method) => async () => {
      calls.push(String(method));
      return { objects: [], folders: [], more: false };
    },
  });
  return { stores: new ObjectStore(bucket), calls };
}

test.each(Object.keys(ways))(
  "%s refuses keys of others and keys that can be none, and asks nothing",
  async (way) => {
    // A position in a list may be between keys.
    const keys = way === "listAfter" ? foreign : [...foreign, ...malformed];
    for (const key of keys) {
      const { stores, calls } = watched();
      await expect(ways[way]?.(stores.of("team-a"), key), key).rejects.toThrow(BadKeyError);
      expect(calls).toEqual([]);
    }
  },
);

test.each(["", ".", "..", "a/b", "team-a/", "Team", "a\u0000", "x".repeat(64)])(
  "%j is the name of no namespace, and has no store",
  (namespace) => expect(() => watched().stores.of(namespace)).toThrow(BadKeyError),
);

test("of many keys only a namespace's own are deleted, and the others are said to be there", async () => {
  const bucket = testStore(() => 0);
  const keys = ["ns/team-a/x", "ns/team-a/y", "ns/team-b/x"];
  for (const key of keys) await bucket.put(key, "x", text);
  const bad = ["ns/team-b/x", "ns/team-a/../team-b/x"];
  expect(await bucket.of("team-a").deleteMany([...bad, "ns/team-a/x"])).toEqual(bad);
  expect(bucket.keys()).toEqual(["ns/team-a/y", "ns/team-b/x"]);
});

test("installations that share a bucket do not see each other", async () => {
  const bucket = testStore(() => 0);
  const [one, two] = [new ObjectStore(bucket, "one"), new ObjectStore(bucket, "two")];
  await one.of("n").put("ns/n/packets/x", "one", text);
  await two.of("n").put("ns/n/packets/x", "two", text);
  await two.of("m").put("ns/m/packets/y", "two", text);
  await two.own.put("maintenance/place", "two", text);
  expect(bucket.keys()).toEqual([
    "one/ns/n/packets/x",
    "two/maintenance/place",
    "two/ns/m/packets/y",
    "two/ns/n/packets/x",
  ]);
  expect(await all(one.namespaces())).toEqual(["n"]);
  expect(await all(two.namespaces())).toEqual(["m", "n"]);
  expect(await all(two.namespaces("m"))).toEqual(["n"]);
  const { objects } = await two.of("n").list("ns/n/", { limit: 9, startAfter: "ns/n/a" });
  expect(objects.map(({ key }) => key)).toEqual(["ns/n/packets/x"]);
  expect(await one.of("n").deleteMany(["ns/n/packets/x"])).toEqual([]);
  expect(await two.of("n").head("ns/n/packets/x")).toMatchObject({ size: 3 });
});

test("whatever the key is, nothing outside of the namespace's folder is asked for", async () => {
  const part = fc.oneof(
    fc.constantFrom(".", "..", "", "ns", "team-a", "team-b", "%2e%2e", "\\"),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.boolean(), async (parts, isBelow) => {
      const bucket = testStore(() => 0);
      const stores = new ObjectStore(bucket, "p");
      const key = `${isBelow ? "ns/team-a/" : ""}${parts.join("/")}`;
      await stores
        .of("team-a")
        .put(key, "x", text)
        .catch(() => undefined);
      for (const put of bucket.keys()) {
        expect(put.startsWith("p/ns/team-a/")).toBe(true);
        expect(put.split("/")).not.toContain("..");
      }
    }),
  );
});
