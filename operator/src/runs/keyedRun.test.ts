import { describe, expect, it } from "vitest";
import { keyedRunName, keyHash } from "../model/keys/idempotency.ts";
import { type KeyRecord, writeKeyRecord } from "../storage/keyRecord.ts";
import { testStore } from "../storage/testStore.ts";
import { keyCandidates, type RunKey } from "./keyedRun.ts";

const key: RunKey = { namespace: "default", task: "hello", key: "k" };
const now = Date.UTC(2026, 0, 1);
const record: KeyRecord = {
  generation: 2,
  run: { name: "retired", uid: "u" },
  phase: "Completed",
  expiresAt: new Date(now + 1000).toISOString(),
};

/** The first two candidates, with this record in the bucket. */
async function firstTwo(kept: KeyRecord | undefined, from?: number) {
  const store = testStore(() => now);
  if (kept) await writeKeyRecord(store, "default", keyHash("default", "hello", "k"), kept);
  const found = [];
  for await (const candidate of keyCandidates({ store, clock: () => now }, key, from)) {
    if (found.push(candidate) === 2) break;
  }
  return found;
}

const generation = (number: number) => ({
  generation: number,
  name: keyedRunName("default", "hello", "k", number),
});

describe("the candidates of an idempotency key", () => {
  it("a key without a record begins with generation 0", async () =>
    expect(await firstTwo(undefined)).toEqual([generation(0), generation(1)]));

  it("a retired run that holds the key comes first", async () =>
    expect(await firstTwo(record)).toEqual([
      { name: "retired", retired: { uid: "u", phase: "Completed" } },
      generation(3),
    ]));

  it.each([
    ["was reset", { freed: true }],
    ["failed", { phase: "Failed" as const }],
    ["has outlived the key", { expiresAt: new Date(now).toISOString() }],
  ])("the generation after a retired run that %s is next", async (_what, change) =>
    expect(await firstTwo({ ...record, ...change })).toEqual([generation(3), generation(4)]),
  );

  it("a record of an earlier generation than the wanted one does not count", async () =>
    expect(await firstTwo(record, 7)).toEqual([generation(7), generation(8)]));
});
