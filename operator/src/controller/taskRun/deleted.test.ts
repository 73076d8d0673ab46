import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { slotNote } from "../../jobs/slotNote.ts";
import { at, done } from "../../kube/manager/requeue.ts";
import { Jobs } from "../../kube/resources.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { Admission } from "../../queue/admission.ts";
import { type DeletedRunDeps, deletedHolders, releaseDeleted } from "./deleted.ts";
import { Slots } from "./slots.ts";

const now = Date.parse("2026-03-01T12:00:00Z");
const nodeLostAfterSeconds = 300;
const ago = (seconds: number): Date => new Date(now - seconds * 1000);

const runOf = (uid: string, deletionTimestamp?: string): TaskRun =>
  ({
    metadata: { namespace: "n", name: "r", uid, deletionTimestamp },
    spec: { container: { image: "i" }, concurrencyKey: "k" },
    status: { phase: "Executing", slot: 2, queue: "q" },
  }) as TaskRun;

function metadataOf(uid: string, more: object = {}) {
  const labels = { "fairlead.dev/run": "r", "fairlead.dev/run-uid": uid };
  const annotations = slotNote(runOf(uid), { number: 1, job: "r-1", slot: 2, admittedAt: "" });
  return { namespace: "n", labels, annotations, ...more };
}

const job = (uid: string, condition?: string): V1Job => ({
  metadata: metadataOf(uid, { uid: "job" }),
  status: { conditions: condition ? [{ type: condition, status: "True" }] : [] },
});

const pod = (phase: string, more: object = {}, uid = "u"): V1Pod => ({
  metadata: metadataOf(uid, { ownerReferences: [{ uid: "job" }], ...more }),
  status: { phase },
});

const slot = {
  namespace: "n",
  name: "r",
  uid: "u",
  slot: 2,
  queue: "q",
  concurrencyKey: "k",
  tentative: false,
};

test.each<[title: string, jobs: V1Job[], pods: V1Pod[], isHeld: boolean]>([
  ["a pod that runs", [], [pod("Running")], true],
  ["a pod that uses its grace period", [], [pod("Running", { deletionTimestamp: ago(20) })], true],
  ["a pod that waits for a node", [], [pod("Pending")], true],
  ["a Job that has no pod yet", [job("u")], [], true],
  ["a Job of which one pod has ended and another runs", [job("u")], [pod("Failed"), pod("Running")], true],
  ["a pod that has ended", [job("u")], [pod("Succeeded")], false],
  ["a Job that is over, without its pod", [job("u", "Failed")], [], false],
  ["a pod on a node that is lost", [], [pod("Running", { deletionTimestamp: ago(301) })], false],
  ["nothing", [], [], false],
])("the slot of a deleted run with %s", (_, jobs, pods, isHeld) => {
  const holders = deletedHolders(jobs, pods, () => false, now, nodeLostAfterSeconds);
  expect(holders).toEqual(isHeld ? [slot] : []);
  expect(deletedHolders(jobs, pods, () => true, now, nodeLostAfterSeconds)).toEqual([]);
});

function setUp() {
  const calls: string[] = [];
  const admission: Partial<Admission> = {
    release: async (grant) => void calls.push(`release ${grant.uid}/${grant.slot}`),
    remove: async () => undefined,
  };
  const cluster = { cached: [] as V1Pod[], jobs: [] as V1Job[], pods: [] as V1Pod[] };
  const list = async (kind: unknown) => ({
    metadata: {},
    items: kind === Jobs ? cluster.jobs : cluster.pods,
  });
  const deps: DeletedRunDeps = {
    slots: new Slots(admission as Admission),
    client: { list } as unknown as DeletedRunDeps["client"],
    pods: { byIndex: () => cluster.cached },
    config: { nodeLostAfterSeconds },
    clock: () => now,
  };
  return { calls, cluster, deps, slots: deps.slots as Slots };
}

test("the slot of a deleted run is released when its last container is gone, and not before", async () => {
  const { calls, cluster, deps, slots } = setUp();
  slots.hold({ namespace: "n", name: "r", uid: "u", slot: 2 });
  cluster.cached = [pod("Running", { deletionTimestamp: ago(-30) })];
  expect(await releaseDeleted(deps, "n", "r", undefined)).toEqual(at(now + 2_000));
  // The cache has no pod, the API server knows better.
  cluster.cached = [];
  cluster.jobs = [job("u")];
  expect(await releaseDeleted(deps, "n", "r", runOf("later"))).toEqual(at(now + 2_000));
  expect(calls).toEqual([]);
  cluster.jobs = [];
  expect(await releaseDeleted(deps, "n", "r", runOf("later"))).toEqual(done);
  expect(calls).toEqual(["release u/2"]);
});

test("a run that is being deleted keeps the slot that its status names, also under a new leader", async () => {
  const { calls, cluster, deps } = setUp();
  cluster.cached = [pod("Running")];
  await releaseDeleted(deps, "n", "r", runOf("u", "2026-03-01T11:59:59Z"));
  expect(calls).toEqual([]);
  cluster.cached = [];
  await releaseDeleted(deps, "n", "r", undefined);
  expect(calls).toEqual(["release u/2"]);
});

test("a deleted run without a slot asks the API server nothing", async () => {
  const { calls, deps, slots } = setUp();
  slots.onGrant({ namespace: "n", name: "r", uid: "u", slot: 1 });
  deps.client = { list: () => Promise.reject(new Error("asked")) };
  expect(await releaseDeleted(deps, "n", "r", undefined)).toEqual(done);
  expect(calls).toEqual(["release u/1"]);
});
