/**
 * The loss of any one node of two, with all that runs on it, under a steady load. How long each part needs to
 * come back is printed, for docs/operate/node-loss.md; only that it comes back is tested.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { BuiltInCluster } from "../../hack/cluster/builtin/builtin.ts";
import { placeApart } from "../support/faults/placement.ts";
import { SteadyLoad } from "../support/faults/steadyLoad.ts";
import { shell } from "../support/release/manifests.ts";

const cluster = new BuiltInCluster();
const slow = 240_000;

let load: SteadyLoad;
beforeEach(async () => {
  await cluster.up({ nodes: 2 });
  load = await SteadyLoad.start({ everyMs: 2_000, keys: 4, limit: 2, random: Math.random });
});
afterEach(async () => {
  await cluster.up({ nodes: 2 });
  await load?.remove();
});

/** Triggers a run, and prints how long after the loss it came to each of its stages. */
async function followOne(what: string, lostAt: number): Promise<void> {
  const name = await load.trigger("marks", { ms: 100 });
  const answeredMs = Date.now() - lostAt;
  const { attempts, output } = await load.ns.untilFinished(name, slow);
  const admittedMs = Date.parse(attempts?.[0]?.admittedAt ?? "") - lostAt;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`;
  console.log(
    `${what}: API ${seconds(answeredMs)}, admission ${seconds(admittedMs)}, result ${seconds(Date.now() - lostAt)}`,
  );
  expect(output).toMatchObject({ end: expect.any(Number) });
}

/** Limits may be exceeded by what ran on the lost node: see nodeLostAfterSeconds. */
async function expectNothingLost(): Promise<void> {
  const { lost, doubled, accepted } = await load.finish(slow);
  expect({ lost, doubled }).toEqual({ lost: [], doubled: [] });
  expect(accepted).toBeGreaterThan(10);
}

test("admission, API and results go on without the node of Redis and of the leader", async () => {
  const { leading } = await placeApart();
  const lostAt = Date.now();
  await cluster.killNode(leading);
  await followOne("without Redis and the leader", lostAt);
  await expectNothingLost();
});

test("without the node of the object store small outputs, cancel and limits of time go on, and logs are stored once it is back", async () => {
  const { storing, leading } = await placeApart();
  const here = {
    podTemplate: { nodeSelector: { "kubernetes.io/hostname": leading }, terminationGracePeriodSeconds: 1 },
  };
  await load.ns.startRun("canceled", { ...shell("echo working; sleep 600"), ...here });
  await load.ns.startRun("limited", { ...shell("sleep 600"), ...here, maxDurationSeconds: 60 });
  await load.ns.untilPhase("canceled", "Executing");
  await load.ns.untilPhase("limited", "Executing");
  const lostAt = Date.now();
  await cluster.killNode(storing);
  await load.ns.kubectl(
    "patch",
    "taskrun",
    "canceled",
    "--type=merge",
    "-p",
    '{"spec":{"cancelRequested":true}}',
  );
  expect((await load.ns.untilFinished("canceled", slow)).phase).toBe("Canceled");
  console.log(`without the object store: a cancel took ${((Date.now() - lostAt) / 1_000).toFixed(0)} s`);
  await followOne("without the object store", lostAt);
  expect((await load.ns.untilFinished("limited", slow)).phase).toBe("TimedOut");
  await expectNothingLost();
  await cluster.up({ nodes: 2 });
  const { attempts } = await load.ns.untilCaptured("canceled", slow);
  expect(attempts?.[0]?.logKey).toBeDefined();
});
