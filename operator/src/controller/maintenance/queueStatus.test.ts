import { originLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import { apiVersion, type TaskQueue, type TaskRun } from "../../model/resources.ts";
import { type QueueStatusDeps, statusPatch, writeQueueStatuses } from "./queueStatus.ts";

const queue = (status?: TaskQueue["status"]): TaskQueue => ({
  apiVersion,
  kind: "TaskQueue",
  metadata: { name: "q", namespace: "n", uid: "u", generation: 1 },
  spec: { concurrencyLimit: 3 },
  status,
});

const full = { observedGeneration: 1, name: "q", concurrencyLimit: 3, paused: false, running: 2, queued: 0 };

test("a queue's status is written only when it differs, and only what differs", () => {
  expect(statusPatch(queue(), { running: 2, queued: 0 })).toEqual({ ...full });
  expect(statusPatch(queue(full), { running: 2, queued: 0 })).toBeUndefined();
  expect(statusPatch(queue(full), { running: 2, queued: 1, oldest: "t" })).toEqual({
    queued: 1,
    oldestQueuedAt: "t",
  });
  expect(statusPatch(queue({ ...full, oldestQueuedAt: "t" }), { running: 2, queued: 0 })).toEqual({
    oldestQueuedAt: null,
  });
});

test("an override changes the settings in force and is left as it is", () => {
  const overridden = queue({ ...full, override: { concurrencyLimit: 9, paused: true } });
  expect(statusPatch(overridden, { running: 2, queued: 0 })).toEqual({ concurrencyLimit: 9, paused: true });
});

test("a status that is refused keeps no other queue's from being written, and few are written at once", async () => {
  const queues = Array.from({ length: 40 }, (_, n) => ({
    ...queue(n % 2 ? undefined : full),
    metadata: { name: `q${n}`, namespace: "n", uid: `u${n}`, generation: 1 },
  }));
  const written: string[] = [];
  const warnings: object[] = [];
  let [now, most] = [0, 0];
  const deps: QueueStatusDeps = {
    client: {
      delete: async () => true,
      async patch(_resource, _namespace, name) {
        most = Math.max(most, ++now);
        await new Promise(setImmediate);
        now--;
        if (name === "q1") throw new Error("refused");
        written.push(name);
        return queues[0] as never;
      },
    },
    queues: { list: () => queues, upsertFromWrite: () => undefined },
    runs: { list: () => [] },
    tasks: { byIndex: () => [], list: () => [] } as unknown as QueueStatusDeps["tasks"],
    log: { warn: (fields: object) => warnings.push(fields) } as unknown as QueueStatusDeps["log"],
    jobs: { list: () => [] },
    pods: { list: () => [] },
    config: { nodeLostAfterSeconds: 300 },
    owners: { isOurs: (namespace) => namespace === "n" },
    admission: { closed: () => undefined },
    clock: () => 0,
  };
  await writeQueueStatuses(deps);
  expect(written).toHaveLength(39);
  expect(warnings).toMatchObject([{ queue: "q1" }]);
  expect(most).toBeLessThanOrEqual(8);
});

/** What becomes of a queue that was made for a trigger long ago. */
async function roundsOver(runs: TaskRun[], labels: Record<string, string>, days: readonly number[]) {
  let one: TaskQueue = {
    ...queue(),
    metadata: { ...queue().metadata, labels, creationTimestamp: "2020-01-01T00:00:00Z" },
  };
  let deleted = false;
  for (const day of days) {
    await writeQueueStatuses({
      client: {
        delete: async () => {
          deleted = true;
          return true;
        },
        patch: async (_resource: unknown, _namespace: string, _name: string, patch: { status: object }) => {
          const status = Object.entries({ ...one.status, ...patch.status }).filter(
            ([, value]) => value !== null,
          );
          one = { ...one, status: Object.fromEntries(status) };
          return one;
        },
      } as unknown as QueueStatusDeps["client"],
      queues: { list: () => [one], upsertFromWrite: () => undefined },
      runs: { list: () => runs },
      tasks: { byIndex: () => [], list: () => [] } as unknown as QueueStatusDeps["tasks"],
      log: { warn: () => undefined } as unknown as QueueStatusDeps["log"],
      jobs: { list: () => [] },
      pods: { list: () => [] },
      config: { nodeLostAfterSeconds: 300 },
      owners: { isOurs: () => true },
      admission: { closed: () => undefined },
      clock: () => day * 24 * 3_600_000,
    });
  }
  return deleted;
}

const runIn = (phase: NonNullable<TaskRun["status"]>["phase"]): TaskRun => ({
  apiVersion,
  kind: "TaskRun",
  metadata: { name: "r", namespace: "n", uid: "r1" },
  spec: { task: "t", queue: { name: "q", concurrencyLimit: 1 } },
  status: { phase },
});

const made = { [originLabel]: "trigger" };

test.each(["Delayed", "Queued", "Executing", "Completed"] as const)(
  "a queue that was made for a trigger stays while a run that is %s names it, however old both are",
  async (phase) => expect(await roundsOver([runIn(phase)], made, [0, 8, 100])).toBe(false),
);

test("a queue that was made on demand goes a week after its last use, a declared one never", async () => {
  expect(await roundsOver([], made, [100])).toBe(false);
  expect(await roundsOver([], made, [100, 106])).toBe(false);
  expect(await roundsOver([], made, [100, 108])).toBe(true);
  expect(await roundsOver([], { [originLabel]: "task" }, [100, 108])).toBe(true);
  expect(await roundsOver([], {}, [100, 108])).toBe(false);
});

test("a queue says that admission is closed, and later that it is open, each once", async () => {
  let one = queue(full);
  const patches: object[] = [];
  const round = (second: number, closed: { since: number; error: unknown } | undefined) =>
    writeQueueStatuses({
      client: {
        delete: async () => true,
        patch: async (_resource: unknown, _namespace: string, _name: string, patch: { status: object }) => {
          patches.push(patch.status);
          one = { ...one, status: { ...one.status, ...patch.status } };
          return one;
        },
      } as unknown as QueueStatusDeps["client"],
      queues: { list: () => [one], upsertFromWrite: () => undefined },
      runs: { list: () => [] },
      tasks: { byIndex: () => [], list: () => [] } as unknown as QueueStatusDeps["tasks"],
      log: { warn: () => undefined } as unknown as QueueStatusDeps["log"],
      jobs: { list: () => [] },
      pods: { list: () => [] },
      config: { nodeLostAfterSeconds: 300 },
      owners: { isOurs: () => true },
      admission: { closed: () => closed },
      clock: () => second * 1000,
    });
  one = { ...one, status: { ...full, running: 0 } };
  const closed = {
    since: 1_000,
    error: new Error("connect ECONNREFUSED 10.0.0.1:6379 to Redis: Connection is closed."),
  };
  await round(1, undefined);
  await round(5, closed);
  expect(patches).toEqual([]);
  for (const second of [6, 11, 16]) await round(second, closed);
  for (const second of [21, 26]) await round(second, undefined);
  expect(patches).toMatchObject([
    { conditions: [{ type: "Admitting", status: "False", reason: "AdmissionClosed" }] },
    { conditions: [{ type: "Admitting", status: "True", reason: "AdmissionOpen" }] },
  ]);
});
