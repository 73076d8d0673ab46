/** What a cache keeps of the biggest objects that there may be. */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { jobProjection, podProjection } from "../jobs/projection.ts";
import { type Attempt, apiVersion, type TaskSchedule } from "../model/resources.ts";
import { newRun } from "../model/run/testEvents.ts";
import { toCachedRun } from "./taskRun/cache.ts";
import { payloadOf, toCachedSchedule } from "./taskSchedule/cache.ts";

const bytes = (object: unknown): number => Buffer.byteLength(JSON.stringify(object));
const text = (length: number): string => "x".repeat(length);

/** What anybody may write on an object: up to the size of the whole object. */
const foreign = {
  labels: {
    "fairlead.dev/batch": "b",
    ...Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`l${n}`, text(63)])),
  },
  annotations: { "mine.dev/note": text(200_000), "fairlead.dev/slot": "{}" },
  finalizers: [text(10_000)],
};

test.each([
  ["a Job", (metadata: object) => jobProjection({ metadata })],
  ["a pod", (metadata: object) => podProjection({ metadata })],
])("what others wrote into the metadata of %s is not kept", (_, project) => {
  const kept = project({ name: "r", uid: "u", ...foreign });
  expect(kept.metadata).toEqual({
    name: "r",
    uid: "u",
    labels: { "fairlead.dev/batch": "b" },
    annotations: { "fairlead.dev/slot": "{}" },
  });
  expect(bytes(kept)).toBeLessThan(1_000);
});

test("a Job takes little memory, however big its payload is", () => {
  const env = [{ name: "MINE", value: text(64 * 1024) }];
  const template = { spec: { containers: [{ name: "main", args: [text(64 * 1024)], env }] } };
  const job: V1Job = { metadata: { name: "r-1" }, spec: { template }, status: { active: 1 } };
  const kept = jobProjection(job);
  expect(kept).toMatchObject({ metadata: job.metadata, status: job.status });
  expect(JSON.stringify(kept.spec)).toBe(JSON.stringify({ template: {} }));
  expect(jobProjection(kept)).toEqual(kept);
});

test("of a pod's spec only its place and its deadlines are kept", () => {
  const spec = { nodeName: "n", activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 5 };
  const env = [{ name: "MINE", value: text(64 * 1024) }];
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
  const env = Array.from({ length: 4 }, (_, n) => ({ name: `E${n}`, value: text(32_768) }));
  const spec = {
    payloadData: text(256 * 1024),
    metadata: { text: text(256 * 1024) },
    container: { image: "i", args: [text(32_768)], env, resources: { limits: { cpu: "1" } } },
    podTemplate: { env, annotations: { a: text(4096) }, terminationGracePeriodSeconds: 7 },
  };
  const run = { ...newRun(spec), status };
  run.metadata = { ...run.metadata, ...foreign };
  expect(bytes(run)).toBeGreaterThan(1_200_000);
  const kept = toCachedRun(run);
  expect(bytes(kept)).toBeLessThan(12 * 1024);
  expect(kept.cut).toEqual({ spec: true, status: true });
  // What its retries and time limits follow from.
  expect(kept.spec.container).toEqual({ image: "i", resources: { limits: { cpu: "1" } } });
  expect(kept.spec.podTemplate?.terminationGracePeriodSeconds).toBe(7);
  expect(kept.metadata.labels).toEqual({ "fairlead.dev/batch": "b" });
  expect(kept.payload?.bytes).toBe(256 * 1024);
  expect(toCachedRun(kept)).toEqual(kept);
});

test("a schedule is kept without a big payload, and its runs get it", async () => {
  const schedule: TaskSchedule = {
    apiVersion,
    kind: "TaskSchedule",
    metadata: { name: "s", namespace: "n", uid: "u" },
    spec: { task: "t", cron: "@daily", payload: { text: text(200_000) } },
  };
  const kept = toCachedSchedule(schedule);
  expect(bytes(kept)).toBeLessThan(512);
  expect(toCachedSchedule(kept)).toEqual(kept);
  const client = (live: TaskSchedule) => ({ get: async () => live as never });
  expect(await payloadOf(client(schedule), kept)).toEqual(schedule.spec.payload);
  const later = { ...schedule, metadata: { ...schedule.metadata, uid: "another" } };
  await expect(payloadOf(client(later), kept)).rejects.toThrow(/deleted/);
  const small = { ...schedule, spec: { ...schedule.spec, payload: { a: 1 } } };
  expect(toCachedSchedule(small)).toEqual(small);
});

test("a run with small metadata, output and stack traces is kept with them", () => {
  const run = {
    ...newRun({ task: "t", metadata: { a: 1 } }),
    status: {
      ...status,
      attempts: [],
      output: { b: 2 },
      error: { ...error, message: text(512), stack: text(512) },
    },
  };
  expect(toCachedRun(run)).toEqual(run);
});
