import { errorLimits } from "@fairlead/protocol/report";
import { AbortTaskRunError } from "@fairlead/sdk";
import { describe, expect, it } from "vitest";
import { Failure, failureOf, reportedError, withoutInternals } from "./failure.ts";

describe("failureOf", () => {
  it.each([
    ["an error", new TypeError("x is undefined"), undefined, { code: "TASK_ERROR", retryable: true }],
    ["an abort", new AbortTaskRunError("stop"), undefined, { code: "ABORTED", retryable: false }],
    [
      "another copy's abort",
      Object.assign(new Error("stop"), { name: "AbortTaskRunError" }),
      undefined,
      { code: "ABORTED", retryable: false },
    ],
    [
      "an uncaught error",
      new Error("x"),
      "UNCAUGHT_EXCEPTION",
      { code: "UNCAUGHT_EXCEPTION", retryable: true },
    ],
    [
      "an uncaught abort",
      new AbortTaskRunError("x"),
      "UNHANDLED_REJECTION",
      { code: "UNHANDLED_REJECTION", retryable: false },
    ],
    [
      "what the runner found",
      new Failure("PAYLOAD_ERROR", "x"),
      undefined,
      { code: "PAYLOAD_ERROR", retryable: false },
    ],
    ["undefined", undefined, undefined, { code: "TASK_ERROR", retryable: true }],
  ] as const)("classifies %s", (_what, value, code, expected) => {
    expect(failureOf(value, code)).toMatchObject(expected);
  });
});

describe("reportedError", () => {
  it("reportedError keeps name, message and stack of an error", () => {
    const error = new RangeError("out of range");
    expect(reportedError(failureOf(error))).toMatchObject({ name: "RangeError", message: "out of range" });
    expect(reportedError(failureOf(error)).stack).toContain("RangeError: out of range");
  });

  it("reportedError names the runner's own failures by their code, without a stack", () => {
    expect(reportedError(new Failure("OUTPUT_TOO_LARGE", "too large"))).toEqual({
      name: "OutputTooLarge",
      message: "too large",
      stack: undefined,
      code: "OUTPUT_TOO_LARGE",
      retryable: false,
    });
  });

  it.each([
    ["undefined", undefined, "undefined was thrown, not an Error"],
    ["a function", () => 1, "[Function"],
    ["an empty string", "", ""],
    [
      "an error whose getters throw",
      Object.defineProperty({}, "message", {
        get() {
          throw new Error("no");
        },
      }),
      "was thrown, not an Error",
    ],
    ["a revoked proxy", revoked(), "was thrown, not an Error"],
  ])("reportedError describes %s", (_what, value, message) => {
    expect(reportedError(failureOf(value)).message).toContain(message);
  });

  it("reportedError follows causes, also those that are not errors or form a circle", () => {
    const inner: Error & { cause?: unknown } = new Error("inner", { cause: "the disk" });
    const outer = new Error("outer", { cause: inner });
    const { stack } = reportedError(failureOf(outer));
    expect(stack).toMatch(/^Error: outer[\s\S]*\nCaused by: Error: inner/);
    inner.cause = outer;
    expect(reportedError(failureOf(outer)).stack?.match(/Caused by/g)).toHaveLength(5);
  });

  it("reportedError cuts texts that the API would refuse for their length", () => {
    const error = Object.assign(new Error("🚢".repeat(2000)), {
      name: "N".repeat(500),
      stack: "s".repeat(20_000),
    });
    const reported = reportedError(failureOf(error));
    expect(reported.name).toHaveLength(errorLimits.name);
    expect(reported.message.length).toBeLessThanOrEqual(errorLimits.message);
    expect(reported.message.isWellFormed()).toBe(true);
    expect(reported.stack).toHaveLength(errorLimits.stack);
  });
});

it("a stack keeps the message and the user's frames", () => {
  const stack = [
    "Error: look at (node:fs) first",
    "    at Object.run (file:///app/tasks.mjs:1:2)",
    `    at watch (${import.meta.url.replace("failure.test.ts", "failure.ts")}:3:4)`,
    "    at new Promise (<anonymous>)",
    "    at process.processTimers (node:internal/timers:1:1)",
  ];
  expect(withoutInternals(stack.join("\n"))).toBe(stack.slice(0, 2).join("\n"));
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
