import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cloneJson, parseExact, parseExactBelow } from "./exactJson.ts";

const numbers = [
  "3544790567247868102",
  "-9223372036854775808",
  "18446744073709551615",
  "123456789012345678901234567890",
  "0.1000000000000000055",
  "1e400",
  "-1E-400",
  "1.0",
  "1",
  "-0",
  "0.0",
  "1e3",
  "1E+3",
  "100000000000000000000000",
];
const digits = (min: number, max: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max }).map((list) => list.join(""));
/** Any number that JSON can spell. */
const numberText = fc
  .tuple(
    fc.boolean(),
    fc.oneof(
      fc.constant("0"),
      fc.tuple(fc.integer({ min: 1, max: 9 }), digits(0, 25)).map((p) => p.join("")),
    ),
    fc.oneof(
      fc.constant(""),
      digits(1, 20).map((text) => `.${text}`),
    ),
    fc.oneof(
      fc.constant(""),
      fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), digits(1, 4)).map((p) => p.join("")),
    ),
  )
  .map(([minus, ...parts]) => (minus ? "-" : "") + parts.join(""));
const { text: jsonText } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(numberText, fc.constantFrom(...numbers)),
    fc.string().map((value) => JSON.stringify(value)),
    fc.constantFrom("true", "false", "null"),
    fc.array(tie("text"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`),
    fc
      .uniqueArray(
        fc.tuple(
          fc.string().filter((key) => !/^\d+$/.test(key)),
          tie("text"),
        ),
        {
          maxLength: 4,
          selector: ([key]) => key,
        },
      )
      .map((entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`),
  ),
}));

describe("exact JSON", () => {
  test.each(numbers)("the number %s comes out as it went in, wherever it stands", (number) => {
    for (const text of [
      number,
      `[${number}]`,
      `[1,${number}]`,
      `{"a":${number}}`,
      `{"a":{"b":[{"c":${number}}]}}`,
    ]) {
      expect(JSON.stringify(parseExact(text))).toBe(text);
      expect(JSON.stringify(cloneJson(parseExact(text)))).toBe(text);
    }
    expect(JSON.stringify(parseExact(` { "a" :\n ${number} } `))).toBe(`{"a":${number}}`);
  });

  test("any JSON comes out as it went in", () => {
    fc.assert(fc.property(jsonText, (text) => JSON.stringify(parseExact(text)) === text));
  });

  test("what is no JSON throws as in JSON.parse", () => {
    for (const text of ["", "[1.0", "{a:1.0}", "01.0", "1.", "[3544790567247868102,]"]) {
      expect(() => parseExact(text)).toThrow(SyntaxError);
    }
  });

  test("numbers of a schema's fields are plain, those below the named keys keep their text", () => {
    const body = parseExactBelow(
      '{"n":1.0,"e":-0,"deep":[{"n":2.50}],"payload":{"n":1.0,"m":-0}}',
      "payload",
    );
    expect(body).toMatchObject({ n: 1, e: -0, deep: [{ n: 2.5 }] });
    expect(JSON.stringify((body as { payload: unknown }).payload)).toBe('{"n":1.0,"m":-0}');
  });

  test("a whole number that a double cannot hold is never rounded", () => {
    expect(JSON.stringify(parseExactBelow('{"priority":9007199254740993}', "payload"))).toBe(
      '{"priority":9007199254740993}',
    );
  });

  test("a key __proto__ stays a key", () => {
    const read = parseExactBelow('{"__proto__":1.0}') as object;
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(JSON.stringify(read)).toBe('{"__proto__":1}');
  });
});
