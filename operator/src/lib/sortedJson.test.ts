import fc from "fast-check";
import { expect, test } from "vitest";
import { sortedJson } from "./sortedJson.ts";

test("the order of names does not change the text, the order of a list does", () => {
  expect(sortedJson({ b: 1, a: [{ d: 1, c: 2 }] })).toBe(sortedJson({ a: [{ c: 2, d: 1 }], b: 1 }));
  expect(sortedJson([1, 2])).not.toBe(sortedJson([2, 1]));
});

test("it reads back as what it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(sortedJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
