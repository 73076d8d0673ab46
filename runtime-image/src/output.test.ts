import { maxOutputBytes } from "@fairlead/protocol/limits";
import fc from "fast-check";
import superjson from "superjson";
import { describe, expect, it } from "vitest";
import { serializeOutput } from "./output.ts";

async function problem(value: unknown): Promise<{ code: string; message: string; retryable: boolean }> {
  try {
    await serializeOutput(value);
  } catch (error) {
    return error as { code: string; message: string; retryable: boolean };
  }
  throw new Error("the value was serialized");
}

it("a value that JSON can express becomes JSON", async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      fc.pre(!JSON.stringify(value, (_key, one) => (Object.is(one, -0) ? "minus" : one)).includes("minus"));
      const output = await serializeOutput(value);
      expect(output?.type).toBe("application/json");
      expect(JSON.parse(output?.bytes.toString() ?? "")).toEqual(value);
    }),
  );
});

describe("superjson", () => {
  const circle: Record<string, unknown> = { n: 1 };
  circle.self = circle;
  it.each([
    ["a Date", { at: new Date(0) }],
    ["a BigInt", 1n],
    ["a Map and a Set", { map: new Map([["a", new Set([1])]]) }],
    ["undefined", { a: undefined, b: [undefined] }],
    ["numbers without a JSON form", [Number.NaN, Number.POSITIVE_INFINITY, -0]],
    ["a value that refers back to itself", circle],
  ])("superjson carries %s", async (_what, value) => {
    const output = await serializeOutput(value);
    expect(output?.type).toBe("application/super+json");
    expect(superjson.parse(output?.bytes.toString() ?? "")).toEqual(value);
  });

  it("superjson is not used for class instances, which become JSON", async () => {
    class Money {
      cents = 5;
    }
    const output = await serializeOutput({ price: new Money() });
    expect([output?.type, output?.bytes.toString()]).toEqual(["application/json", '{"price":{"cents":5}}']);
  });
});

describe("there is no output", () => {
  it.each([
    ["undefined", undefined],
    ["an object whose toJSON returns nothing", { toJSON: () => undefined }],
  ])("there is no output for %s", async (_what, value) =>
    expect(await serializeOutput(value)).toBeUndefined(),
  );
});

/** sdk/src/superJson/superJson.test.ts has all of them, at any place. */
it.each([
  ["a function", { deep: { fn: () => 1 } }, "output.deep.fn: is a function; leave it out"],
  ["a symbol", [Symbol("x")], "output[0]: is a symbol; leave it out"],
  ["a forgotten await", { user: Promise.resolve(1) }, "output.user: is a promise; await it"],
  ["a class", class {}, "output: is a function; leave it out"],
])("an output with %s is refused with its path", async (_what, value, message) => {
  expect(await problem(value)).toMatchObject({ code: "OUTPUT_NOT_SERIALIZABLE", retryable: false, message });
});

it("an output above the limit is refused with both sizes", async () => {
  const found = await problem("é".repeat(maxOutputBytes / 2));
  expect(found).toMatchObject({ code: "OUTPUT_TOO_LARGE", retryable: false });
  expect(found.message).toContain(`${maxOutputBytes + 2} bytes, at most ${maxOutputBytes}`);
});
