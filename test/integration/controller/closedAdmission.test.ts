/**
 * What waiting runs, their queue and the metrics say while nothing is admitted: Redis is away, or the bucket,
 * which knows the keys that were used. A real API server, Redis and controller; no kubelet.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { Events } from "../../../operator/src/kube/resources.ts";
import { TaskQueues } from "../../../operator/src/model/kinds.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { ControllerWorld } from "./controllerWorld.ts";

const bucket = { isDown: false };
let world: ControllerWorld;
beforeAll(async () => {
  world = await ControllerWorld.start("closed", failing);
}, 60_000);
afterAll(() => world?.stop(), 60_000);

/** Each request fails while the bucket is down. */
function failing(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get(target, property) {
      const value = Reflect.get(target, property) as unknown;
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (bucket.isDown) throw new Error("connect ECONNREFUSED");
        return Reflect.apply(value, target, args);
      };
    },
  });
}

const admitting = async () => {
  const queue = await world.client.get(TaskQueues, world.namespace, "mail");
  return queue?.status?.conditions?.find(({ type }) => type === "Admitting");
};

const isClosed = async () =>
  /fairlead_admission_closed\{namespace="closed"\} 1/.test(await world.metrics.metrics());

test("while Redis is away, waiting runs, their queue, an Event and a metric say so, and it ends by itself", async () => {
  const queue = { name: "mail", concurrencyLimit: 1 };
  await world.createRun("holder", { queue });
  await world.untilRun("holder", ({ phase }) => phase === "Starting");
  await world.redis.kill();
  await world.createRun("before", { queue });
  const told = await world.untilRun("before", ({ reason }) => reason === "AdmissionClosed");
  expect(told.status).toMatchObject({
    phase: "Queued",
    message: expect.stringMatching(/^No run starts in namespace closed now: Redis does not answer\./),
  });
  await waitFor("the Event", async () => {
    const { items } = await world.client.list(Events, world.namespace);
    return items.some(
      ({ type, reason, involvedObject }) =>
        type === "Warning" && reason === "AdmissionClosed" && involvedObject.name === "before",
    );
  });
  await waitFor("the condition", async () => (await admitting())?.status === "False");
  expect(await admitting()).toMatchObject({
    reason: "AdmissionClosed",
    message: expect.stringMatching(/Redis does not answer/),
  });
  expect(await isClosed()).toBe(true);

  await world.redis.run();
  await world.untilRun("before", ({ reason }) => reason === "QueueFull");
  await waitFor("the condition", async () => (await admitting())?.status === "True");
  expect(await isClosed()).toBe(false);
  await world.cancel("holder");
  await world.untilRun("before", ({ phase }) => phase === "Starting");
}, 90_000);

test("a keyed run that waits for the bucket says so, and starts when it is back", async () => {
  bucket.isDown = true;
  await world.createRun("keyed", { ttlSecondsAfterFinished: 600 });
  const told = await world.untilRun("keyed", ({ reason }) => reason === "StorageUnavailable");
  expect(told.status).toMatchObject({
    phase: "Queued",
    message: expect.stringMatching(/^Object storage does not answer/),
  });
  bucket.isDown = false;
  await world.untilRun("keyed", ({ phase }) => phase === "Starting");
}, 60_000);
