/** What a cache keeps of the biggest objects that there may be. */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { jobProjection, podProjection } from "../jobs/projection.ts";
import type { Attempt } from "../model/resources.ts";
import { newRun } from "../model/run/testEvents.ts";
import { toCachedRun } from "./taskRun/cache.ts";

const bytes = (object: unknown): number => Buffer.byteLength(JSON.stringify(object));
const text = (length: number): string => "x".repeat(length);

test("a Job takes little memory, however big its payload is", () => {
  const env = [{ name: "FAIRLEAD_PAYLOAD", value: text(64 * 1024) }];
  const template = { spec: { containers: [{ name: "main", args: [text(64 * 1024)], env }] } };
  const job: V1Job = { metadata: { name: "r-1" }, spec: { template }, status: { active: 1 } };
  const kept = jobProjection(job);
  expect(kept).toMatchObject({ metadata: job.metadata, status: job.status });
  expect(JSON.stringify(kept.spec)).toBe(JSON.stringify({ template: {} }));
  expect(jobProjection(kept)).toEqual(kept);
});

test("of a pod's spec only its place and its deadlines are kept", () => {
  const spec = { nodeName: "n", activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 5 };
  const env = [{ name: "FAIRLEAD_PAYLOAD", value: text(64 * 1024) }];
  const pod: V1Pod = {
    metadata: { name: "r-1-x" },
    spec: { ...spec, containers: [{ name: "main", env }] },
    status: { phase: "Running" },
  };
  const kept = podProjection(pod);
  expect(kept).toEqual({ ...pod, spec: { ...spec, containers: [] } });
  expect(podProjection(kept)).toEqual(kept);
  expect(bytes(kept)).toBeLessThan(256);
});

const error = { name: "Error", message: text(1024), stack: text(8 * 1024) };
const attempt = (number: number): Attempt => ({
  ...{ number, job: `r-${number}`, slot: number, admittedAt: "2026-01-01T00:00:00Z" },
  ...{ outcome: "Failed", error, exitCode: 1, logKey: text(200) },
});
const status = {
  phase: "Failed" as const,
  output: text(8 * 1024),
  error,
  attempts: Array.from({ length: 20 }, (_, n) => attempt(n + 1)),
};

test("a run with all that fits into its fields is kept in a hundredth of them, and says what it lacks", () => {
  const spec = { task: "t", payloadData: text(256 * 1024), metadata: { text: text(256 * 1024) } };
  const run = { ...newRun(spec), status };
  expect(bytes(run)).toBeGreaterThan(700_000);
  const kept = toCachedRun(run);
  expect(bytes(kept)).toBeLessThan(32 * 1024);
  expect(kept.cut).toEqual({ metadata: true, status: true });
  expect(kept.payload?.bytes).toBe(256 * 1024);
  expect(toCachedRun(kept)).toEqual(kept);
});

test("a run with small metadata, output and stack traces is kept with them", () => {
  const run = {
    ...newRun({ task: "t", metadata: { a: 1 } }),
    status: { ...status, attempts: [], output: { b: 2 }, error: { ...error, stack: text(1024) } },
  };
  expect(toCachedRun(run)).toEqual(run);
});
