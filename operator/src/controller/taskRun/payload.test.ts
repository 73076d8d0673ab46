import { expect, test } from "vitest";
import type { CachedRun } from "./cache.ts";
import { payloadProblem } from "./payload.ts";

const runWith = (key: string): CachedRun =>
  ({
    metadata: { namespace: "team-a", name: "r", uid: "u" },
    spec: { task: "t", payloadRef: { key, size: 2 } },
  }) as CachedRun;

test("a payload in the run's own namespace is no problem", () => {
  expect(payloadProblem(runWith("ns/team-a/packets/p.json"))).toBeUndefined();
});

test.each(["ns/team-b/history/x", "ns/team-a/../team-b/x", "packets/p.json", "ns/team-a/a//b"])(
  "a payload at %s is refused",
  (key) => {
    const problem = payloadProblem(runWith(key));
    expect(problem?.reason).toBe("InvalidPayload");
    expect(problem?.message).toContain("spec.payloadRef.key");
  },
);
