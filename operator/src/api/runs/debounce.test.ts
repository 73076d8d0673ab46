import { describe, expect, it } from "vitest";
import { type Debounce, debouncedRunName, debounceHash } from "../../model/keys/debounce.ts";
import { apiVersion, type TaskRun } from "../../model/resources.ts";
import { type KeyRecord, writeKeyRecord } from "../../storage/keyRecord.ts";
import { testStore } from "../../storage/testStore.ts";
import { debounceActions } from "./debounce.ts";

const now = Date.UTC(2026, 0, 1);
const debounce: Debounce = { key: "k", delaySeconds: 10, mode: "leading" };
const trigger = { namespace: "default", task: "hello", debounce };
const nameOf = (generation: number): string => debouncedRunName("default", "hello", "k", generation);

/** A run of the key that starts in five seconds, or one that has left its delay. */
const run = (generation: number, phase: "Delayed" | "Queued" = "Delayed"): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: {
    name: nameOf(generation),
    namespace: "default",
    uid: "u",
    creationTimestamp: new Date(now).toISOString(),
  },
  spec: {
    task: "hello",
    delayUntil: new Date(now + 5_000).toISOString(),
    debounce: { key: "k", delaySeconds: 10, generation },
  },
  status: { phase },
});

/**
 * The first actions, with these live runs, the last of which the watch knows, and this record in the bucket.
 */
async function actions(count: number, live: TaskRun[], { seen, retired }: Seen = { seen: live.at(-1) }) {
  const record: KeyRecord | undefined =
    retired === undefined
      ? undefined
      : {
          generation: retired,
          run: { name: nameOf(retired), uid: "u" },
          phase: "Completed",
          expiresAt: new Date(now + 1_000).toISOString(),
        };
  const store = testStore(() => now);
  if (record) await writeKeyRecord(store, "default", debounceHash("default", "hello", "k"), record);
  const deps = {
    client: {
      get: async (_kind: unknown, _namespace: unknown, name: string) =>
        live.find(({ metadata }) => metadata.name === name),
      replace: async () => expect.fail("nothing is written"),
    },
    store,
    reader: { youngestOf: () => seen },
    clock: () => now,
  };
  const found = [];
  for await (const action of debounceActions(deps as Parameters<typeof debounceActions>[0], trigger)) {
    if (found.push(action) === count) break;
  }
  return found;
}

interface Seen {
  seen?: TaskRun;
  retired?: number;
}

describe("the actions of a debounced trigger", () => {
  it("the first trigger of a key creates the run of generation 0", async () =>
    expect(await actions(1, [])).toEqual([{ create: nameOf(0), generation: 0 }]));

  it("a delayed run is moved, and read again when another writer was faster", async () => {
    const push = { push: run(0), until: now + 10_000 };
    expect(await actions(2, [run(0)])).toEqual([push, push]);
  });

  it("a run that has left its delay is followed by the next generation", async () =>
    expect(await actions(1, [run(3, "Queued")])).toEqual([{ create: nameOf(4), generation: 4 }]));

  it("a retired run's generation is not used again", async () =>
    expect(await actions(1, [], { retired: 6 })).toEqual([{ create: nameOf(7), generation: 7 }]));

  it("a run that the watch has not shown yet is found by its name", async () =>
    expect(await actions(2, [run(0)], { seen: undefined })).toEqual([
      { create: nameOf(0), generation: 0 },
      { push: run(0), until: now + 10_000 },
    ]));
});
