import { expect, test } from "vitest";
import { apiVersion, type TaskQueue } from "../../model/resources.ts";
import { statusPatch } from "./queueStatus.ts";

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
