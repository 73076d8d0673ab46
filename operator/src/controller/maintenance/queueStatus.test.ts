import { expect, test } from "vitest";
import { apiVersion, type TaskQueue } from "../../model/resources.ts";
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
    tasks: { byIndex: () => [] } as unknown as QueueStatusDeps["tasks"],
    log: { warn: (fields: object) => warnings.push(fields) } as unknown as QueueStatusDeps["log"],
    jobs: { list: () => [] },
    pods: { list: () => [] },
    config: { nodeLostAfterSeconds: 300 },
    owners: { isOurs: (namespace) => namespace === "n" },
    clock: () => 0,
  };
  await writeQueueStatuses(deps);
  expect(written).toHaveLength(39);
  expect(warnings).toMatchObject([{ queue: "q1" }]);
  expect(most).toBeLessThanOrEqual(8);
});
