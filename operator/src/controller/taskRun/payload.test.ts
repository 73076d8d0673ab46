import { expect, test } from "vitest";
import type { Program } from "../../jobs/program.ts";
import type { CachedRun } from "./cache.ts";
import { attemptPayload, PayloadChanged, payloadProblem } from "./payload.ts";

const runWith = (key: string): CachedRun =>
  ({
    metadata: { namespace: "team-a", name: "r", uid: "u" },
    spec: { task: "t", payloadRef: { key, size: 2 } },
  }) as CachedRun;

test("a payload in the run's own namespace is no problem", () => {
  expect(payloadProblem(runWith("ns/team-a/packets/p.json"))).toBeUndefined();
});

test.each(["ns/team-b/history/x", "ns/team-a/../team-b/x", "packets/p.json", "ns/team-a/a//b"])(
  "a payload at %s is refused, and no URL of it is ever signed",
  async (key) => {
    const run = runWith(key);
    const problem = payloadProblem(run);
    expect(problem?.reason).toBe("InvalidPayload");
    expect(problem?.message).toContain("spec.payloadRef.key");
    const signed: string[] = [];
    const presignGet = async (signedKey: string) => `${signed.push(signedKey)}`;
    const deps = { store: { of: () => ({ presignGet }) } } as unknown as Parameters<typeof attemptPayload>[0];
    await expect(attemptPayload(deps, run, { kind: "task" } as Program)).rejects.toThrow(PayloadChanged);
    expect(signed).toEqual([]);
  },
);
