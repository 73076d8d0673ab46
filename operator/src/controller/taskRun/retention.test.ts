import { originLabel, scheduleUidAnnotation } from "@fairlead/protocol/labels";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { debouncedRunName, debounceHash } from "../../model/keys/debounce.ts";
import { keyedRunName, keyHash } from "../../model/keys/idempotency.ts";
import { apiVersion, type TaskRun } from "../../model/resources.ts";
import { readKeyRecord, writeKeyRecord } from "../../storage/keyRecord.ts";
import { listHistory, readHistory, readLastHistory, writeHistory } from "../../storage/runHistory.ts";
import { testStore } from "../../storage/testStore.ts";
import type { CachedRun } from "./cache.ts";
import { recordOf } from "./keyRecords.ts";
import { isRetirementDue, retire, retirementDue } from "./retention.ts";

const ended = Date.parse("2026-01-01T00:00:00Z");
const config = { retentionSeconds: 3600 };

function run(origin: string | undefined, ttl?: number, captured = "True"): TaskRun {
  return {
    apiVersion,
    kind: "TaskRun",
    metadata: { name: "r", namespace: "n", uid: "u", labels: origin ? { [originLabel]: origin } : {} },
    spec: { task: "t", ttlSecondsAfterFinished: ttl },
    status: {
      phase: "Completed",
      finishedAt: new Date(ended).toISOString(),
      conditions: [
        { type: "Captured", status: captured as "True", reason: "", message: "", lastTransitionTime: "" },
      ],
    },
  };
}

test("what API, batch and schedule made is retired after a time; what was applied stays unless it says otherwise", () => {
  for (const origin of ["api", "batch", "schedule"]) {
    expect(retirementDue(run(origin), config)).toBe(ended + 3_600_000);
  }
  expect(retirementDue(run("api", 10), config)).toBe(ended + 10_000);
  expect(retirementDue(run(undefined), config)).toBeUndefined();
  expect(retirementDue(run(undefined, 0), config)).toBe(ended);
});

test("nothing is retired before it has ended and its logs are stored", () => {
  expect(retirementDue(run("api", 0, "False"), config)).toBeUndefined();
  expect(retirementDue({ ...run("api", 0), status: { phase: "Executing" } }, config)).toBeUndefined();
});

describe("the record of a key", () => {
  const config = { retentionSeconds: 0, historySeconds: 3600 };

  /** A generation of the key that ended, each for longer after its predecessor. */
  function generation(
    number: number,
    phase: "Completed" | "Failed",
    kind: "idempotency" | "debounce",
  ): CachedRun {
    const spec: CachedRun["spec"] =
      kind === "idempotency"
        ? { task: "t", idempotencyKey: "k", idempotencyKeyGeneration: number }
        : { task: "t", debounce: { key: "k", delaySeconds: 1, mode: "leading", generation: number } };
    const name =
      kind === "idempotency" ? keyedRunName("n", "t", "k", number) : debouncedRunName("n", "t", "k", number);
    const one = run("api", 0);
    return {
      ...one,
      metadata: {
        ...one.metadata,
        name,
        uid: `u${number}`,
        creationTimestamp: new Date(ended).toISOString(),
      },
      spec,
      status: { ...one.status, phase },
    };
  }

  const phases = fc.constantFrom("Completed" as const, "Failed" as const);
  const retirements = fc.array(phases, { minLength: 1, maxLength: 6 }).chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray(
        all.map((_, n) => n),
        { minLength: all.length },
      ),
    ),
  );

  test.each(["idempotency", "debounce"] as const)(
    "the record of an %s key is the highest generation, in whatever order and however many at once they are retired",
    (kind) =>
      fc.assert(
        fc.asyncProperty(retirements, fc.boolean(), async ([all, order], atOnce) => {
          const store = testStore(() => ended);
          const runs = all.map((phase, number) => generation(number, phase, kind));
          const deps = {
            store,
            config,
            clock: () => ended + 1000,
            batches: { get: () => undefined },
            client: {
              get: async (_kind: unknown, _namespace: string, name: string) =>
                runs.find(({ metadata }) => metadata.name === name),
              delete: async () => undefined,
            },
          } as unknown as Parameters<typeof retire>[0];
          const retired = order.map((number) => runs[number] as CachedRun);
          if (atOnce) await Promise.all(retired.map((one) => retire(deps, one)));
          else for (const one of retired) await retire(deps, one);
          const hash = kind === "idempotency" ? keyHash("n", "t", "k") : debounceHash("n", "t", "k");
          const last = runs.length - 1;
          expect(await readKeyRecord(store, "n", hash)).toMatchObject({
            generation: last,
            run: { uid: `u${last}` },
            phase: all[last],
          });
          for (const one of runs) expect(await readHistory(store, "n", one.metadata)).toEqual(one);
        }),
        { numRuns: 60 },
      ),
  );

  test("a run that is retired again after a crash keeps the reset of its key", async () => {
    const store = testStore(() => ended);
    const record = recordOf(generation(0, "Completed", "idempotency"), 3600);
    if (!record) throw new Error("no record");
    await writeKeyRecord(store, "n", record.hash, { ...record.record, freed: true });
    await writeKeyRecord(store, "n", record.hash, record.record);
    expect(await readKeyRecord(store, "n", record.hash)).toMatchObject({ freed: true });
  });
});

test("each of several runs that had one name stays in history", async () => {
  let now = ended;
  const store = testStore(() => now);
  const [first, second] = ["u1", "u2"].map((uid) => {
    const one = run(undefined, 0);
    return { ...one, metadata: { ...one.metadata, uid, creationTimestamp: new Date(ended).toISOString() } };
  }) as [CachedRun, CachedRun];
  await writeHistory(store, first);
  now += 1000;
  await writeHistory(store, second);
  expect(await readHistory(store, "n", first.metadata)).toEqual(first);
  expect(await readLastHistory(store, "n", "r")).toEqual(second);
  const { runs } = await listHistory(store, "n", { limit: 10 });
  expect(runs.map(({ uid }) => uid).sort()).toEqual(["u1", "u2"]);
});

describe("the run of a schedule's tick", () => {
  const tick = "2025-12-31T23:00:00.000Z";
  const made = {
    ...run("schedule"),
    metadata: { ...run("schedule").metadata, annotations: { [scheduleUidAnnotation]: "s1" } },
  };
  const ofTick: CachedRun = { ...made, spec: { task: "t", schedule: { name: "nightly", at: tick } } };
  const isDue = (schedule: object | undefined, hours = 2): boolean =>
    isRetirementDue(
      {
        clock: () => ended + hours * 3_600_000,
        config: { ...config, historySeconds: 3600 },
        batches: { get: () => undefined },
        schedules: { get: () => schedule },
      } as unknown as Parameters<typeof isRetirementDue>[0],
      ofTick,
    );
  const schedule = (status: object, uid = "s1") => ({ metadata: { uid }, status });

  test.each<[title: string, schedule: object | undefined, isDue: boolean]>([
    ["its schedule does not know of it", schedule({ checkedAt: "2025-12-31T22:00:00.000Z" }), false],
    ["its schedule has no status yet", schedule({}), false],
    ["its schedule knows of it", schedule({ checkedAt: tick }), true],
    ["its schedule is paused, and triggers nothing of that time", schedule({ active: false }), true],
    ["its schedule was deleted", undefined, true],
    ["another schedule has the name", schedule({}, "s2"), true],
  ])(
    "is retired when its time is over, unless the schedule would trigger it again: %s",
    (_title, known, expected) => {
      expect(isDue(known)).toBe(expected);
    },
  );

  test("is not kept for ever", () => {
    expect(isDue(schedule({}), 23)).toBe(false);
    expect(isDue(schedule({}), 24)).toBe(true);
  });
});
