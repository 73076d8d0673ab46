import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type Report, report as schema } from "../../operator/src/model/run/report.ts";
import { Failure, failureOf, reportedError } from "./failure.ts";
import { fits, TerminationMessage, terminationMessage } from "./terminationMessage.ts";

const times = { startedAt: "2026-01-01T00:00:00.000Z", finishedAt: "2026-01-01T00:00:01.000Z" };
const base = { v: 1, attempt: 1, podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e", ...times } as const;

/** Any UTF-16, lone surrogates, control characters, quotes and astral characters included. */
const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
        fc.constantFrom('"', "\\", "\n", "\u0001", "ü", "€", "🚢", "a".repeat(50), "🚢".repeat(20)),
      ),
      { maxLength, size: "max" },
    )
    .map((parts) => parts.join(""));

const failed = fc
  .record({ name: anyText(400), message: anyText(1200), stack: fc.option(anyText(9000), { nil: undefined }) })
  .map(({ name, message, stack }): Report => {
    const thrown = { name, message, stack };
    return { ...base, outcome: "failed", error: reportedError(failureOf(thrown)) };
  });

const completed = fc
  .record({ data: fc.option(anyText(3000), { nil: undefined }), key: fc.string({ maxLength: 1024 }) })
  .map(({ data, key }): Report => {
    const size = Buffer.byteLength(data ?? "");
    return {
      ...base,
      outcome: "completed",
      output: {
        type: "application/json",
        key: `ns/${key}`.slice(0, 1024),
        size,
        sha256: "a".repeat(64),
        ...(size <= 8192 ? { data } : {}),
      },
    };
  });

function check(report: Report): Report {
  const text = terminationMessage(report);
  expect(Buffer.byteLength(text)).toBeLessThan(4096);
  const parsed = schema.safeParse(JSON.parse(text));
  expect(parsed.error).toBeUndefined();
  return parsed.data as Report;
}

describe("terminationMessage", () => {
  it("of any error is a valid report under 4,096 bytes", () => {
    fc.assert(
      fc.property(failed, (report) => {
        expect(schema.safeParse(report).error).toBeUndefined();
        const { error } = check(report);
        expect(error?.retryable).toBe(report.error?.retryable);
        expect(error?.code).toBe(report.error?.code);
      }),
      { numRuns: 300, interruptAfterTimeLimit: 20_000 },
    );
  });

  it("of any stored output is a valid report under 4,096 bytes that names the object", () => {
    fc.assert(
      fc.property(completed, (report) => {
        const { output } = check(report);
        expect(output).toEqual({
          ...report.output,
          ...(output?.data === undefined ? { data: undefined } : {}),
        });
      }),
      { numRuns: 300, interruptAfterTimeLimit: 20_000 },
    );
  });

  it("uses the room that there is", () => {
    const error = { name: "Error", message: "m".repeat(1000), stack: "s".repeat(8192), retryable: true };
    const text = terminationMessage({ ...base, outcome: "failed", error });
    expect(Buffer.byteLength(text)).toBe(4095);
    expect(JSON.parse(text).error.message).toBe(error.message);
  });

  it("leaves what fits as it is", () => {
    const report: Report = {
      ...base,
      outcome: "completed",
      output: { type: "application/json", size: 2, data: "{}" },
    };
    expect(JSON.parse(terminationMessage(report))).toEqual(report);
  });

  it("refuses to lose an output that is nowhere else", () => {
    const output = { type: "application/json", size: 5000, data: "x".repeat(5000) };
    const report: Report = { ...base, outcome: "completed", output };
    expect(fits(report)).toBe(false);
    expect(() => terminationMessage(report)).toThrow("5000 bytes");
  });
});

describe("TerminationMessage", () => {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-termination-"));
  const path = join(folder, "log");
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (): unknown => JSON.parse(readFileSync(path, "utf8"));
  const report: Report = {
    ...base,
    outcome: "failed",
    error: reportedError(new Failure("TASK_NOT_FOUND", "no task")),
  };

  it("goes from started over stopping to a report, and stays there", () => {
    const { attempt, podUid, startedAt } = base;
    const message = new TerminationMessage(path, { attempt, podUid, startedAt });
    message.mark({ outcome: "started" });
    expect(read()).toEqual({ v: 1, attempt, podUid, startedAt, outcome: "started" });
    message.mark({ outcome: "stopping", stoppingAt: startedAt, reason: "canceled" });
    expect(read()).toMatchObject({ outcome: "stopping", reason: "canceled" });
    expect(message.settled).toBe(false);
    expect(message.settle(report)).toBe(true);
    expect(read()).toEqual(report);
    message.mark({ outcome: "stopping", stoppingAt: startedAt });
    message.settle({ ...report, outcome: "completed", error: undefined });
    expect(read()).toEqual(report);
  });
});
