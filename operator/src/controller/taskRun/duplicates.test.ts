import { expect, test } from "vitest";
import { accepted, admitted, ended, newRun, play, started } from "../../model/run/testEvents.ts";
import { writeKeyRecord } from "../../storage/keyRecord.ts";
import { writeHistory } from "../../storage/runHistory.ts";
import { testStore } from "../../storage/testStore.ts";
import type { CachedRun } from "./cache.ts";
import { duplicateOf } from "./duplicates.ts";
import { recordOf } from "./keyRecords.ts";

test.each([
  ["the same payload", "a", /did not run\.$/],
  [
    "another payload",
    "b",
    /did not run\. Its payload was another one: a new name, or a new key, runs this one\.$/,
  ],
])(
  "a run that is applied again with %s takes the old result, and says of what it is",
  async (_what, sha256, message) => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    const store = testStore(() => now);
    const spec = { task: "t", ttlSecondsAfterFinished: 60 };
    const first = play(
      newRun(spec),
      { ...accepted, payloadDigest: "a" } as never,
      ...[admitted(1), started(1), ended(1, "Completed")],
    );
    await writeHistory(store, first);
    const record = recordOf(first, 3600);
    if (!record) throw new Error("no record");
    await writeKeyRecord(store, "n", record.hash, record.record);
    const again: CachedRun = { ...newRun(spec), payload: { bytes: 1, sha256 } };
    again.metadata = { ...again.metadata, uid: "u2" };
    expect(await duplicateOf({ store, clock: () => now }, again)).toMatchObject({
      type: "Duplicate",
      message: expect.stringMatching(message),
    });
  },
);
