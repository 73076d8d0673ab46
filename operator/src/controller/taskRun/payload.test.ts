import { expect, test } from "vitest";
import type { CachedRun } from "./cache.ts";
import { payloadProblem, unusablePayload } from "./payload.ts";

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

test("a waiting run says which of the two it is: a payload that was edited, or one that is not its own", () => {
  const waiting = (run: CachedRun): CachedRun => ({ ...run, status: { phase: "Queued" } });
  expect(unusablePayload(waiting(runWith("ns/team-a/packets/p.json")))).toBeUndefined();
  expect(unusablePayload(waiting(runWith("ns/team-b/history/x")))).toMatchObject({
    reason: "InvalidPayload",
  });
  const edited = { ...runWith("ns/team-a/packets/p.json"), payload: { bytes: 1, sha256: "b" } };
  expect(unusablePayload(waiting(edited))).toMatchObject({ reason: "PayloadChanged" });
});
