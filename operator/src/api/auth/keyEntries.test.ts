/** What of the Secrets' content is a key, and of which namespace. */
import { expect, test } from "vitest";
import { keyEntries } from "./keyEntries.ts";

const secret = (name: string, entries: Record<string, string>) => ({
  metadata: { name },
  data: Object.fromEntries(
    Object.entries(entries).map(([entry, text]) => [entry, Buffer.from(text).toString("base64")]),
  ),
});

test("the first key comes first, and has the fields of its Secret", () => {
  const fields = { key: "k", namespace: "n", scopes: "read" };
  const entries = keyEntries(secret("api-key", fields), secret("api-keys", { "a.x": "1" }));
  expect(entries).toEqual([
    { name: "api-key", fields },
    { name: "a.x", fields: { key: "1", namespace: "a" } },
  ]);
  expect(keyEntries(undefined, undefined)).toEqual([]);
});

test.each<[string, Record<string, string>, Record<string, object>]>([
  ["nothing", {}, {}],
  [
    "keys of two namespaces",
    { "b.x": "2", "a.x": "1" },
    { "a.x": { key: "1", namespace: "a" }, "b.x": { key: "2", namespace: "b" } },
  ],
  [
    "two keys of a namespace",
    { "a.2025": "1", "a.2025.notAfter": "t", "a.2026": "2" },
    { "a.2025": { key: "1", namespace: "a", notAfter: "t" }, "a.2026": { key: "2", namespace: "a" } },
  ],
  [
    "a key with rights",
    { "a.x": "1", "a.x.scopes": "read" },
    { "a.x": { key: "1", namespace: "a", scopes: "read" } },
  ],
  ["fields without their key", { "a.x.scopes": "read" }, { "a.x": { namespace: "a", scopes: "read" } }],
  [
    "a misspelt field",
    { "a.x": "1", "a.x.scope": "read" },
    { "a.x": { key: "1", namespace: "a", scope: "read" } },
  ],
  ["a dot in a key's name", { "a.x.y.z": "1" }, { "a.x": { namespace: "a", "y.z": "1" } }],
  [
    "another namespace as a field",
    { "a.x": "1", "a.x.namespace": "b" },
    { "a.x": { key: "1", namespace: "a", ".namespace": "b" } },
  ],
  ["no dot", { key: "1" }, { "key.": { key: "1", namespace: "key" } }],
  ["no namespace before the dot", { ".x": "1" }, { ".x": { key: "1", namespace: "" } }],
])("the Secret of all other keys with %s", (_, entries, keys) => {
  const found = keyEntries(undefined, secret("api-keys", entries));
  expect(Object.fromEntries(found.map(({ name, fields }) => [name, fields]))).toEqual(keys);
});
