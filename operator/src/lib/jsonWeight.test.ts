import { expect, test } from "vitest";
import { countValues } from "./jsonWeight.ts";

/** Keys, objects, lists and all else in a value. */
function valuesIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  const parts = Array.isArray(value) ? value : Object.values(value);
  const keys = Array.isArray(value) ? 0 : parts.length;
  return parts.reduce<number>((sum, part) => sum + valuesIn(part), 1 + keys);
}

test.each([
  "1",
  "null",
  '"a, [b] {c: d}"',
  '"\\\\"',
  '"\\"[,"',
  '{"a":"\\\\\\"","b":[1,2,{"c":[]}]}',
  "[[[[]]]]",
  `[${"{},".repeat(1000)}{}]`,
  `{${Array.from({ length: 300 }, (_, n) => `"k${n}":"${",".repeat(n)}"`).join(",")}}`,
])("%.40s has no more values than are counted, and at least a third of them", (text) => {
  const [counted, real] = [countValues(text, 1e9), valuesIn(JSON.parse(text))];
  expect(counted).toBeGreaterThanOrEqual(real - 1);
  expect(counted).toBeLessThanOrEqual(3 * real);
});

test.each(["", '"', '"\\', "[".repeat(50), "}{", ',"a'])("%s, which is no JSON, ends", (text) => {
  expect(countValues(text, 1e9)).toBeLessThanOrEqual(text.length + 1);
});

test("counting ends above the limit", () => {
  expect(countValues("[".repeat(1e6), 10)).toBe(11);
});
