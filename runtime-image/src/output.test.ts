import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as report from "../../operator/src/model/report.ts";
import { outputCopyLimit, outputLimit, serializeOutput } from "./output.ts";

function problem(value: unknown): { code: string; message: string; retryable: boolean } {
  try {
    serializeOutput(value);
  } catch (error) {
    return error as { code: string; message: string; retryable: boolean };
  }
  throw new Error("it was serialised");
}

it("has the API's limits", () => {
  expect({ outputCopyLimit, outputLimit }).toEqual({
    outputCopyLimit: report.outputCopyLimit,
    outputLimit: report.outputLimit,
  });
});

it("gives JSON, whatever the value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(serializeOutput(value)?.toString() ?? "")).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

describe("no output", () => {
  it.each([
    ["undefined", undefined],
    ["an object whose toJSON returns nothing", { toJSON: () => undefined }],
  ])("for %s", (_what, value) => expect(serializeOutput(value)).toBeUndefined());
});

describe("what JSON cannot hold is named with its path", () => {
  const shared = { n: 1 };
  const circle: Record<string, unknown> = {};
  circle.self = [circle];
  const endless = (): object => ({
    get next() {
      return endless();
    },
  });

  it.each([
    ["a BigInt", 1n, "output is a BigInt"],
    ["a symbol", Symbol("x"), "output is a symbol"],
    ["a class", class {}, "output is a function"],
    ["a BigInt behind a toJSON", { a: { toJSON: () => ({ b: 1n }) } }, "output.a.b is a BigInt"],
    ["a BigInt behind shared objects", { a: shared, b: shared, "c-d": [1n] }, 'output["c-d"][0] is a BigInt'],
    ["a circle", { top: circle }, "output.top.self[0] refers back to output.top"],
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
  ])("%s", (_what, value, message) => {
    expect(problem(value)).toMatchObject({ code: "OUTPUT_NOT_SERIALIZABLE", retryable: false });
    expect(problem(value).message).toContain(message);
  });

  it("with a path of bounded length", () => {
    expect(problem({ ["k".repeat(5000)]: 1n }).message.length).toBeLessThan(400);
  });
});

it("an output above the limit is refused with both sizes", () => {
  const text = "é".repeat(outputLimit / 2);
  expect(problem(text)).toMatchObject({ code: "OUTPUT_TOO_LARGE", retryable: false });
  expect(problem(text).message).toContain(`${outputLimit + 2} bytes, at most ${outputLimit}`);
});
