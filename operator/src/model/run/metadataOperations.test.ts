import { expect, it } from "vitest";
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
  ["update", { a: 1 }, { type: "update", value: { b: 2 } }, { b: 2 }],
])("%s", (_what, before, operation, after) => {
  const kept = structuredClone(before);
  expect(applyOperations(before as Record<string, unknown>, [operation])).toEqual(after);
  expect(before).toEqual(kept);
});

it("names that reach into the language are refused", () => {
  for (const key of ["__proto__", "$.a.constructor.b", "$.", "$.a..b"]) {
    expect(() => applyOperations({}, [{ type: "set", key, value: 1 }])).toThrow(/cannot be a key/);
  }
});
