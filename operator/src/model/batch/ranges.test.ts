import fc from "fast-check";
import { expect, test } from "vitest";
import { formatRanges, parseRanges } from "./ranges.ts";

test("indexes become short ranges, and ranges the same indexes", () => {
  expect(formatRanges([3, 9, 7, 8, 3])).toBe("3,7-9");
  expect(formatRanges([])).toBeUndefined();
  expect(parseRanges(undefined)).toEqual([]);
  const odd = Array.from({ length: 500 }, (_, i) => 2 * i + 1);
  expect(formatRanges(odd)?.length).toBeLessThan(4096);
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat({ max: 999 })), (indexes) => {
      expect(parseRanges(formatRanges(indexes))).toEqual(indexes.sort((a, b) => a - b));
    }),
  );
});
