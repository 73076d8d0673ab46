/**
 * A batch on a cluster without room: few Jobs wait for a node, another queue goes ahead, waiting runs say
 * why, and when there is room all of them run. The test is the Job controller, the scheduler and the kubelet.
 */
import type { V1PodStatus } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { Jobs } from "../../../operator/src/kube/resources.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { ControllerWorld } from "./controllerWorld.ts";

let world: ControllerWorld;
beforeAll(async () => {
  world = await ControllerWorld.start("room");
}, 60_000);
afterAll(() => world?.stop(), 60_000);

const noNode = {
  phase: "Pending",
  conditions: [
    {
      ...{ type: "PodScheduled", status: "False", reason: "Unschedulable" },
      message:
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    },
  ],
} satisfies V1PodStatus;
const main = { name: "main", image: "i", imageID: "", ready: false, restartCount: 0 };
const done = (): V1PodStatus => ({
  phase: "Succeeded",
  containerStatuses: [
    { ...main, state: { terminated: { exitCode: 0, finishedAt: new Date().toISOString() as never } } },
  ],
});

test("sixty runs that find no room have twenty Jobs at most, and hold no other queue", async () => {
  const { client, namespace } = world;
  const names = Array.from({ length: 60 }, (_, n) => `big-${n}`);
  for (const name of names) await world.createRun(name, { queue: { name: "big" } });

  const seen = new Map<string, boolean>();
  let [hasRoom, mostJobs] = [false, 0];
  /** One round of what Kubernetes does. */
  const round = async (): Promise<void> => {
    const { items } = await client.list(Jobs, namespace);
    const big = items.filter(({ metadata }) => metadata?.name?.startsWith("big-"));
    if (!hasRoom) mostJobs = Math.max(mostJobs, big.length);
    for (const job of items) {
      const { name = "" } = job.metadata ?? {};
      const isNew = !seen.has(name);
      if (isNew) await world.createPod(job);
      if (isNew && !hasRoom && big.includes(job)) await world.setPod(name, noNode);
      const ends = hasRoom || !big.includes(job);
      if (ends && seen.get(name) !== true) await world.setPod(name, done());
      seen.set(name, ends);
    }
  };

  await waitFor("the first runs find no room", async () => {
    await round();
    return seen.size >= 20;
  });
  const last = await waitFor(
    "a waiting run says why",
    async () => {
      await round();
      const run = await client.get(TaskRuns, namespace, "big-59");
      return run?.status?.reason === "NoRoom" && run;
    },
    { timeoutMs: 20_000 },
  );
  expect(last.status?.message).toBe(
    'There is no room for more runs of the queue "big" now: 0/1 nodes are available: 1 Insufficient cpu. This run starts by itself when there is. Place about 40 of about 40 in line.',
  );

  await world.createRun("small", { queue: { name: "small" } });
  await waitFor("the other queue goes ahead", async () => {
    await round();
    return (await client.get(TaskRuns, namespace, "small"))?.status?.phase === "Completed";
  });
  // The first twenty, and one more each ten seconds.
  expect(mostJobs).toBeLessThanOrEqual(23);

  hasRoom = true;
  await waitFor(
    "all run",
    async () => {
      await round();
      const { items } = await client.list(TaskRuns, namespace);
      return items.every(({ status }) => status?.phase === "Completed");
    },
    { timeoutMs: 60_000 },
  );
  const { items } = await client.list(TaskRuns, namespace);
  expect(items.filter(({ status }) => status?.attempt !== 1)).toEqual([]);
}, 120_000);
