/**
 * The contract between operator and runner: each reads what the other writes. The runner's termination
 * message against the operator's schema of reports; the operator's variables against the runner's reading of
 * them.
 */
import type { Report } from "@fairlead/protocol/report";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { attemptEnv } from "../../operator/src/jobs/attemptEnv.ts";
import { resolveProgram } from "../../operator/src/jobs/program.ts";
import type { TaskRun } from "../../operator/src/model/resources.ts";
import { parseMark, parseReport, report as schema } from "../../operator/src/model/run/report.ts";
import { readEnvironment } from "../../runtime-image/src/environment.ts";
import { failureOf, reportedError } from "../../runtime-image/src/failure.ts";
import { terminationMessage } from "../../runtime-image/src/terminationMessage.ts";

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

/** The termination message of the report, as the operator reads it. */
function readBack(report: Report): Report {
  const text = terminationMessage(report);
  expect(Buffer.byteLength(text)).toBeLessThan(4096);
  expect(schema.safeParse(JSON.parse(text)).error).toBeUndefined();
  return parseReport(text) as Report;
}

describe("a termination message", () => {
  it("reports any error within 4,096 bytes", () => {
    fc.assert(
      fc.property(failed, (report) => {
        expect(schema.safeParse(report).error).toBeUndefined();
        const { error } = readBack(report);
        expect(error?.retryable).toBe(report.error?.retryable);
        expect(error?.code).toBe(report.error?.code);
      }),
      { numRuns: 300, interruptAfterTimeLimit: 20_000 },
    );
  });

  it("names the object of any stored output within 4,096 bytes", () => {
    fc.assert(
      fc.property(completed, (report) => {
        const { output } = readBack(report);
        expect(output).toEqual({
          ...report.output,
          ...(output?.data === undefined ? { data: undefined } : {}),
        });
      }),
      { numRuns: 300, interruptAfterTimeLimit: 20_000 },
    );
  });

  it("a termination message without a report is read as a mark", () => {
    const { v, attempt, podUid, startedAt } = base;
    const mark = { v, attempt, podUid, startedAt, outcome: "stopping", stoppingAt: startedAt };
    expect(parseMark(JSON.stringify(mark))).toMatchObject({ outcome: "stopping" });
    expect(parseReport(JSON.stringify(mark))).toBeUndefined();
  });
});

test("the runner finds in its variables what the operator put there", () => {
  const createdAt = "2026-01-01T00:00:00Z";
  const metadata = { name: "hello", namespace: "prod", uid: "u", creationTimestamp: createdAt };
  const run = { metadata, spec: { task: "greet", tags: ["a"] } } as TaskRun;
  const defaults = { maxDurationSeconds: 60, startTimeoutSeconds: 30 };
  const program = resolveProgram(run, { name: "greet", id: "greet", spec: { image: "i" } }, defaults);
  const attempt = { number: 2, job: "hello-2", slot: 3, admittedAt: createdAt };
  const access = {
    apiUrl: "http://api",
    environment: "prod" as const,
    hasPayload: true,
  };
  const variables = attemptEnv(run, attempt, program, access).map(({ name, value }) => {
    // The kubelet reads the pod's uid from its metadata, and makes one dollar of two.
    return [name, value?.replaceAll("$$", "$") ?? "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e"];
  });
  expect(readEnvironment(Object.fromEntries(variables))).toMatchObject({
    apiUrl: "http://api",
    tokenFile: "/var/run/secrets/fairlead.dev/token",
    attempt: 2,
    podUid: "0f9b2c9e-6c0e-4d0a-9a53-3f1d1b2c3d4e",
    taskId: "greet",
    gracePeriodMs: 30_000,
    ctx: {
      run: { id: "run_hello", createdAt: new Date(createdAt), maxAttempts: 3 },
      attempt: { number: 2, startedAt: new Date(createdAt) },
      queue: { name: "task/greet" },
    },
  });
});
