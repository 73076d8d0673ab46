import fc from "fast-check";
import superjson from "superjson";
import { expect, it } from "vitest";
import { parseSuperJson } from "./superJson.ts";

it("types that JSON does not have come as plain JSON, with how to restore them", () => {
  const value = { at: new Date(0), n: 1n, none: undefined, list: [undefined, 1] };
  const read = parseSuperJson(superjson.stringify(value));
  expect(read?.json).toEqual({ at: "1970-01-01T00:00:00.000Z", n: "1", list: [null, 1] });
  expect(Object.keys(read?.json as object)).toEqual(["at", "n", "list"]);
  expect(superjson.deserialize(read as never)).toEqual(value);
});

it("leaves out what is undefined in an object, whatever its key", () => {
  // No backslashes: JSON.parse of V8 14.6 takes one key with an escape for another that it has seen in such
  // an object.
  const tree = fc.letrec<{ node: Record<string, unknown> }>((tie) => ({
    node: fc.dictionary(
      fc.stringMatching(/^[a-z.]{0,4}$/),
      fc.oneof({ maxDepth: 3 }, fc.constant(undefined), fc.integer({ min: 1 }), tie("node")),
      { maxKeys: 4, noNullPrototype: true },
    ),
  })).node;
  fc.assert(
    fc.property(tree, (value) => {
      expect(parseSuperJson(superjson.stringify(value))?.json).toStrictEqual(
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});

it("finds a key that has dots and backslashes", () => {
  expect(parseSuperJson(superjson.stringify({ "a.b\\c": undefined, d: 1 }))?.json).toStrictEqual({ d: 1 });
});

it.each(["", "{", "null", "1", "[]", '{"a":1}'])("is undefined for %s", (text) =>
  expect(parseSuperJson(text)).toBeUndefined(),
);

it.each([
  '{"json":{"a":1},"meta":{"values":{"__proto__.x":["undefined"],"constructor":["undefined"]}}}',
  '{"json":null,"meta":{"values":{"a.b":["undefined"]}}}',
  '{"json":5,"meta":{"values":["undefined"]}}',
  '{"json":{},"meta":{"values":{"__proto__.toString":["undefined"],"constructor.prototype.trim":["undefined"]}}}',
  '{"json":"s","meta":{"values":{"constructor.prototype.trim":["undefined"],"__proto__.at":["undefined"]}}}',
])("reads %s, which no client should send, unchanged, and leaves all prototypes alone", (text) => {
  const prototypes = [Object.prototype, String.prototype, Array.prototype];
  const before = prototypes.map((one) => Object.getOwnPropertyNames(one));
  expect(parseSuperJson(text)?.json).toEqual(JSON.parse(text).json);
  expect(prototypes.map((one) => Object.getOwnPropertyNames(one))).toEqual(before);
});
