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

describe("an output that cannot be stored is named with its path", () => {
  const shared = { n: 1 };
  const circle: Record<string, unknown> = {};
  circle.self = [circle];
  const endless = (): object => ({
    get next() {
      return endless();
    },
  });

  it.each([
    ["a symbol", Symbol("x"), "output is a symbol"],
    ["a class", class {}, "output is a function"],
    ["a BigInt behind a toJSON", { a: { toJSON: () => ({ b: 1n }) } }, "output.a.b is a BigInt"],
    [
      "a BigInt behind shared objects",
      { a: shared, b: shared, "c-d": [{ toJSON: () => 1n }] },
      'output["c-d"][0] is a BigInt',
    ],
    [
      "a circle behind a toJSON",
      { top: { toJSON: () => circle } },
      "output.top.self[0] refers back to output.top",
    ],
    [
      "a getter that throws",
      {
        get total() {
          throw new Error("not loaded");
        },
      },
      "reading output throws Error: not loaded",
    ],
    [
      "a toJSON that throws",
      {
        when: {
          toJSON() {
            throw new Error("no date");
          },
        },
      },
      "output.when.toJSON() throws Error: no date",
    ],
    ["endless depth", endless(), "nested too deeply"],
  ])("an output with %s is refused with its path", async (_what, value, message) => {
    const found = await problem(value);
    expect(found).toMatchObject({ code: "OUTPUT_NOT_SERIALIZABLE", retryable: false });
    expect(found.message).toContain(message);
  });

  it("a very long path is shortened", async () => {
    const { message } = await problem({ ["k".repeat(5000)]: { toJSON: () => 1n } });
    expect(message.length).toBeLessThan(400);
  });
});

it("an output above the limit is refused with both sizes", async () => {
  const found = await problem("é".repeat(maxOutputBytes / 2));
  expect(found).toMatchObject({ code: "OUTPUT_TOO_LARGE", retryable: false });
  expect(found.message).toContain(`${maxOutputBytes + 2} bytes, at most ${maxOutputBytes}`);
});
