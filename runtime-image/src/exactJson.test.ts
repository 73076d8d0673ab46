import fc from "fast-check";
import { expect, it, test } from "vitest";
import { parseJson } from "./exactJson.ts";

it.each([
  ["3544790567247868102", ["payload: 3544790567247868102 is read as 3544790567247868000"]],
  ['{"a":{"id":3544790567247868102}}', ["payload.a.id: 3544790567247868102"]],
  ['{"a":[1,[12345678901234567890]]}', ["payload.a[1][0]: 12345678901234567890"]],
  ['{"e":1e400}', ["payload.e: 1e400 is read as Infinity"]],
  ["[9007199254740993]", ["payload[0]: 9007199254740993 is read as 9007199254740992"]],
])("%s is named", (text, expected) => {
  const { value, changes } = parseJson(text, "payload");
  expect(value).toEqual(JSON.parse(text));
  expect(changes.map((line, i) => line.startsWith(expected[i] ?? "?"))).toEqual(expected.map(() => true));
  expect(changes[0]).toContain("send it as text");
});

it.each([
  "9007199254740992",
  "-9007199254740991",
  "18014398509481984",
  "1e22",
  "0.1234567890123456789",
  '{"text":"3544790567247868102 and 1e400"}',
  "1e-400",
  "null",
])("%s is not", (text) =>
  expect(parseJson(text, "payload")).toEqual({ value: JSON.parse(text), changes: [] }),
);

it("of many, a few are named and the others counted", () => {
  const { changes } = parseJson(
    JSON.stringify({ ids: 0 }).replace("0", `[${"3544790567247868102,".repeat(1000)}1]`),
    "payload",
  );
  expect(changes).toHaveLength(6);
  expect(changes[5]).toBe("payload: 995 more numbers were changed");
});

test("the value is always that of JSON.parse", () => {
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.bigInt().map(String),
      fc.double().map((n) => JSON.stringify(n)),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items}]`),
      fc.tuple(fc.string(), tie("value")).map(([key, item]) => `{${JSON.stringify(key)}:${item}}`),
    ),
  })).value as fc.Arbitrary<string>;
  fc.assert(
    fc.property(json, (text) => {
      expect(parseJson(text, "payload").value).toEqual(JSON.parse(text));
    }),
  );
});
