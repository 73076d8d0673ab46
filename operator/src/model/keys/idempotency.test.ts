import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { apiVersion, type Phase, type TaskRun } from "../resources.ts";
import { appliedHash, holdsKey, keyedRunName, keyHash } from "./idempotency.ts";

const created = "2026-01-01T00:00:00.000Z";
const day = 24 * 3600 * 1000;

const run = (phase: Phase | undefined, ttl?: number): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { name: "r", namespace: "n", uid: "u", creationTimestamp: created },
  spec: { task: "t", idempotencyKey: "k", idempotencyKeyTTLSeconds: ttl },
  status: phase && { phase },
});

describe("idempotency names", () => {
  it("a keyed run's name is 25 lower-case letters and digits, and the same for the same key", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(1000), (task, key, generation) => {
        const name = keyedRunName("n", task, key, generation);
        expect(name).toMatch(/^[a-z][a-z0-9]{24}$/);
        expect(keyedRunName("n", task, key, generation)).toBe(name);
        expect(keyedRunName("n", task, key, generation + 1)).not.toBe(name);
      }),
    );
  });

  it("names and hashes keep apart what only reads the same", () => {
    expect(keyHash("n", "a", "bc")).not.toBe(keyHash("n", "ab", "c"));
    expect(keyedRunName("n", "a", "1", 1)).not.toBe(keyedRunName("n", "a", "11", 0));
    expect(appliedHash("n", "a")).not.toBe(keyHash("n", "", "a"));
    expect(keyHash("n", "t", "k")).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("an idempotency key", () => {
  const soon = Date.parse(created) + day;
  const kept: (Phase | undefined)[] = [
    undefined,
    "Delayed",
    "Queued",
    "Executing",
    "Stopping",
    "Completed",
    "Canceled",
  ];
  it.each(kept)("a key is held by a run that is %s", (phase) =>
    expect(holdsKey(run(phase), soon)).toBe(true),
  );

  const freed: Phase[] = ["Failed", "Crashed", "TimedOut", "Expired", "SystemFailure"];
  it.each(freed)("a key is free after a run that ended %s", (phase) =>
    expect(holdsKey(run(phase), soon)).toBe(false),
  );

  it("a key is free after its lifetime, 30 days by default", () => {
    const at = Date.parse(created);
    expect(holdsKey(run("Completed"), at + 30 * day - 1)).toBe(true);
    expect(holdsKey(run("Completed"), at + 30 * day)).toBe(false);
    expect(holdsKey(run("Executing", 60), at + 59_999)).toBe(true);
    expect(holdsKey(run("Executing", 60), at + 60_000)).toBe(false);
  });
});
