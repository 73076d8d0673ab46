/** What a key from outside reaches in the real object store: whatever it is, its own namespace. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BadKeyError } from "../../../operator/src/model/keys/objectKey.ts";
import { containerOutputKey, logKey, outputKey } from "../../../operator/src/storage/layout.ts";
import { objectsBelow } from "../../../operator/src/storage/listing.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";

const text = { type: "text/plain" };
const prefix = "one.installation";

let server: ObjectStoreServer;
let stores: ObjectStore;
beforeAll(async () => {
  server = await ObjectStoreServer.start();
  stores = server.store({ prefix });
  await stores.of("team-b").put("ns/team-b/history/secret", "secret", text);
  await server.bucket().put("secret", "secret", text);
});
afterAll(() => server?.stop());

const hostile = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "",
    "ns",
    "team-a",
    "team-b",
    "%2e%2e",
    "..%2f",
    "%2F",
    "\\",
    "/../../../../../team-b/history/index",
    "../../team-b/history/secret",
    "\u2025",
    "\uff0e\uff0e",
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 8 }),
);

async function allKeys(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objectsBelow(server.bucket(), "")) keys.push(key);
  return keys;
}

test("whatever a run, an attempt and a pod are called, what is written is of the namespace", async () => {
  await fc.assert(
    fc.asyncProperty(hostile, hostile, fc.array(hostile, { maxLength: 4 }), async (name, podUid, parts) => {
      const run = { namespace: "team-a", name, uid: "u" };
      const keys = [
        outputKey(run, 1, podUid),
        logKey(run, 1, podUid),
        containerOutputKey(run, 1),
        `ns/team-a/${parts.join("/")}`,
        parts.join("/"),
      ];
      for (const key of keys) {
        await stores
          .of("team-a")
          .put(key, "x", text)
          .catch((error: unknown) => {
            // A name may be a file's and a folder's: then the object store refuses.
            if (!(error instanceof BadKeyError) && !(error as { $metadata?: object }).$metadata) throw error;
          });
      }
    }),
    { numRuns: 60 },
  );
  const foreign = (await allKeys()).filter((key) => !key.startsWith(`${prefix}/ns/team-a/`));
  expect(foreign).toEqual([`${prefix}/ns/team-b/history/secret`, "secret"]);
});

test("no URL is signed for a key of another namespace, and a signed one reaches no other with dots added", async () => {
  const store = stores.of("team-a");
  const options = { expiresSeconds: 60, audience: "cluster" } as const;
  for (const key of ["ns/team-b/history/secret", "ns/team-a/../team-b/history/secret", "secret"]) {
    await expect(store.presignGet(key, options)).rejects.toThrow(BadKeyError);
    await expect(store.presignPut(key, options)).rejects.toThrow(BadKeyError);
  }
  const url = await store.presignGet("ns/team-a/x/y", options);
  const moved = url.replace("ns/team-a/x/y", "ns/team-b/history/secret");
  expect((await fetch(moved)).status).toBe(403);
});

test("a copy takes nothing from another namespace, nor puts anything there", async () => {
  const store = stores.of("team-a");
  await store.put("ns/team-a/packets/own", "own", text);
  await expect(store.copy("ns/team-b/history/secret", "ns/team-a/stolen")).rejects.toThrow(BadKeyError);
  await expect(store.copy("ns/team-a/packets/own", "ns/team-b/history/secret")).rejects.toThrow(BadKeyError);
  expect(await store.head("ns/team-a/stolen")).toBeUndefined();
});

test("installations share a bucket without seeing each other", async () => {
  const other = server.store({ prefix: "two.installation" });
  for await (const namespace of other.namespaces()) expect.unreachable(namespace);
  expect(await other.of("team-b").get("ns/team-b/history/secret", { maxBytes: 9 })).toBeUndefined();
  await other.of("team-b").put("ns/team-b/history/secret", "other", text);
  expect(await other.of("team-b").deleteMany(["ns/team-b/history/secret"])).toEqual([]);
  expect(await stores.of("team-b").head("ns/team-b/history/secret")).toMatchObject({ size: 6 });
});
