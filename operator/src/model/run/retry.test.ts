import fc from "fast-check";
import { expect, it } from "vitest";
import type { TaskRun } from "../resources.ts";
import { retryDelay, retryPolicy } from "./retry.ts";

const run = (spec: TaskRun["spec"]): TaskRun => ({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "TaskRun",
  metadata: { name: "r", namespace: "n", uid: "u" },
  spec,
});

it("defaults to 3 attempts for a task and 1 for a container", () => {
  expect(retryPolicy(run({ task: "t" }), undefined).maxAttempts).toBe(3);
  expect(retryPolicy(run({ container: { image: "i" } }), undefined).maxAttempts).toBe(1);
});

it("lets maxAttempts at trigger time win over the run's and the Task's retry", () => {
  const spec = { task: "t", maxAttempts: 7, retry: { maxAttempts: 5 } };
  expect(retryPolicy(run(spec), { maxAttempts: 2 }).maxAttempts).toBe(7);
  expect(retryPolicy(run({ task: "t", retry: { maxAttempts: 5 } }), { maxAttempts: 2 }).maxAttempts).toBe(5);
  expect(retryPolicy(run({ task: "t" }), { maxAttempts: 2, factor: 3 })).toMatchObject({
    maxAttempts: 2,
    factor: 3,
  });
});

it("grows by the factor and stops at the cap", () => {
  const policy = retryPolicy(run({ task: "t", retry: { randomize: false } }), undefined);
  expect([1, 2, 3, 7, 8].map((n) => retryDelay(policy, n, 0.9))).toEqual([1000, 2000, 4000, 60_000, 60_000]);
});

it("stays within [delay, 2 * delay] and under the cap when randomized", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 250 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (n, random) => {
        const policy = retryPolicy(run({ task: "t" }), undefined);
        const base = Math.min(60_000, 1000 * 2 ** (n - 1));
        const delay = retryDelay(policy, n, random);
        expect(delay).toBeGreaterThanOrEqual(base);
        expect(delay).toBeLessThanOrEqual(Math.min(60_000, 2 * base));
      },
    ),
  );
});

it("is a time within the cap for every policy that the schema allows", () => {
  const policy = fc.record({
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    minTimeoutInMs: fc.constantFrom(0, 1, 86_400_000),
    maxTimeoutInMs: fc.constantFrom(0, 1, 86_400_000),
    randomize: fc.boolean(),
  });
  fc.assert(
    fc.property(policy, fc.integer({ min: 1, max: 250 }), (retry, n) => {
      const delay = retryDelay(retryPolicy(run({ task: "t", retry }), undefined), n, 0.5);
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(retry.maxTimeoutInMs);
    }),
  );
});
