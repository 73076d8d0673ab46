import { expect, it } from "vitest";
import { parseExact } from "../../lib/exactJson.ts";
import { applyOperations, type MetadataOperation } from "./metadataOperations.ts";

it.each<[string, object, MetadataOperation, object]>([
  ["set", { a: 1 }, { type: "set", key: "b", value: [1] }, { a: 1, b: [1] }],
  ["set in depth", { a: { x: 1 } }, { type: "set", key: "$.a.y", value: 2 }, { a: { x: 1, y: 2 } }],
  ["set where nothing was", {}, { type: "set", key: "$.a.b.c", value: 1 }, { a: { b: { c: 1 } } }],
  ["delete", { a: 1, b: 2 }, { type: "delete", key: "a" }, { b: 2 }],
  ["delete what is not there", { a: 1 }, { type: "delete", key: "$.b.c" }, { a: 1 }],
  ["append", { log: ["a"] }, { type: "append", key: "log", value: "b" }, { log: ["a", "b"] }],
  ["append to nothing", {}, { type: "append", key: "log", value: "b" }, { log: ["b"] }],
  [
    "append to what is no list",
    { log: "a" },
    { type: "append", key: "log", value: "b" },
    { log: ["a", "b"] },
  ],
  ["remove", { log: [{ a: 1 }, 2] }, { type: "remove", key: "log", value: { a: 1 } }, { log: [2] }],
  ["increment", { n: 1 }, { type: "increment", key: "n", value: -3 }, { n: -2 }],
  ["increment of nothing", {}, { type: "increment", key: "n", value: 2 }, { n: 2 }],
  ["set of an element", { a: [1, 2] }, { type: "set", key: "$.a.0", value: 9 }, { a: [9, 2] }],
  ["set after the last element", { a: [1] }, { type: "set", key: "$.a.1", value: 9 }, { a: [1, 9] }],
  ["set inside an element", { a: [{ b: 1 }] }, { type: "set", key: "$.a.0.b", value: 2 }, { a: [{ b: 2 }] }],
  ["delete of an element", { a: [1, 2] }, { type: "delete", key: "$.a.0" }, { a: [2] }],
  ["increment of an element", { a: [1] }, { type: "increment", key: "$.a.0", value: 2 }, { a: [3] }],
  ["a key of every object", {}, { type: "set", key: "toString", value: 1 }, { toString: 1 }],
  ["update", { a: 1 }, { type: "update", value: { b: 2 } }, { b: 2 }],
])("%s", (_what, before, operation, after) => {
  const kept = structuredClone(before);
  expect(applyOperations(before as Record<string, unknown>, [operation])).toEqual(after);
  expect(before).toEqual(kept);
});

it.each<[string, object, MetadataOperation, RegExp]>([
  ["an increment of text", { n: "5" }, { type: "increment", key: "n", value: 1 }, /"n": there is no number/],
  ["a path through a number", { a: 5 }, { type: "set", key: "$.a.b", value: 1 }, /"a" is neither/],
  ["a path through null", { a: null }, { type: "set", key: "$.a.b", value: 1 }, /"a" is neither/],
  ["a name as index", { a: [1] }, { type: "set", key: "$.a.b", value: 1 }, /"b" is no index/],
  [
    "an index beyond the end",
    { a: [1] },
    { type: "set", key: "$.a.3", value: 1 },
    /"3" is no index of a list of 1/,
  ],
  ["a list's length", { a: [1] }, { type: "set", key: "$.a.length", value: 9 }, /"length" is no index/],
])("%s is refused, and the key is named", (_what, before, operation, message) => {
  expect(() => applyOperations(before as Record<string, unknown>, [operation])).toThrow(message);
});

it("numbers keep their text, and whole ones are added exactly", () => {
  const metadata = parseExact('{"id":3544790567247868102,"f":1.0,"list":[1.0,1.5]}') as Record<
    string,
    unknown
  >;
  const changed = applyOperations(metadata, [
    { type: "increment", key: "id", value: 1 },
    { type: "append", key: "list", value: parseExact("0.1000000000000000055") },
    { type: "remove", key: "list", value: parseExact("1.0") },
  ]);
  expect(JSON.stringify(changed)).toBe(
    '{"id":3544790567247868103,"f":1.0,"list":[1.5,0.1000000000000000055]}',
  );
});

it("names that reach into the language are refused", () => {
  for (const key of ["__proto__", "$.a.constructor.b", "$.", "$.a..b"]) {
    expect(() => applyOperations({}, [{ type: "set", key, value: 1 }])).toThrow(/cannot be a key/);
  }
});
