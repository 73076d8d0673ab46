/** A Task that is deleted and applied again under its name: what the first one owned would go with it. */
import { originLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import type { Task, TaskQueue, TaskRun } from "../../model/resources.ts";
import { ensureQueueOfRun, ensureQueueOfTask } from "../taskQueue/ensureQueue.ts";
import { ensureTaskSchedule } from "./ownSchedule.ts";

const task = (uid: string): Task => ({
  apiVersion: "",
  kind: "Task",
  metadata: { namespace: "n", name: "t", uid },
  spec: { queue: { concurrencyLimit: 1 }, schedule: { cron: "0 * * * *" } },
});
const ownedBy = (uid: string, kind = "Task") => ({
  namespace: "n",
  name: "t-schedule",
  uid: "o",
  labels: { [originLabel]: "task" },
  ownerReferences: [{ apiVersion: "", kind, name: "t", uid }],
});

type Patch = { metadata: { ownerReferences?: { uid: string }[] } };

test.each([
  ["of the Task that was deleted is taken over", ownedBy("t1"), ["t2"]],
  ["of the Task itself stays as it is", ownedBy("t2"), []],
])("the TaskSchedule %s", async (_title, metadata, expected) => {
  const owners: unknown[] = [];
  const client = {
    patch: async (_resource: unknown, _namespace: string, _name: string, patch: Patch) => {
      owners.push(...(patch.metadata.ownerReferences ?? []).map(({ uid }) => uid));
      return patch;
    },
  };
  const existing = { metadata, spec: { task: "t", cron: "0 * * * *" } };
  const schedules = { get: () => existing, upsertFromWrite: () => {} };
  const deps = { client, schedules } as unknown as Parameters<typeof ensureTaskSchedule>[0];
  expect(await ensureTaskSchedule(deps, task("t2"))).toBeUndefined();
  expect(owners).toEqual(expected);
});

test("a TaskSchedule of something else is left alone", async () => {
  const existing = { metadata: ownedBy("x", "Other"), spec: {} };
  const deps = { client: {}, schedules: { get: () => existing } } as unknown as Parameters<
    typeof ensureTaskSchedule
  >[0];
  expect(await ensureTaskSchedule(deps, task("t2"))).toContain("does not belong to this Task");
});

/** An API server with these TaskQueues, of which the cache knows the first ones. */
function queuesOf(all: TaskQueue[], known = all.length) {
  const cached = all.slice(0, known);
  const written: [name: string, limit: number | undefined, owner: string | undefined][] = [];
  const client = {
    get: async (_resource: unknown, _namespace: string, name: string) =>
      all.find(({ metadata }) => metadata.name === name),
    patch: async (_resource: unknown, _namespace: string, name: string, patch: TaskQueue) => {
      const there = all.find(({ metadata }) => metadata.name === name);
      if (there && there.spec.name !== patch.spec.name)
        throw new KubeError({ method: "PATCH", path: "", status: 409, reason: "Conflict", message: "" });
      written.push([name, patch.spec.concurrencyLimit, patch.metadata.ownerReferences?.[0]?.uid]);
      return patch;
    },
  };
  const deps = {
    client,
    tasks: { byIndex: () => [] },
    queues: {
      get: (_namespace: string, name: string) => cached.find(({ metadata }) => metadata.name === name),
      byIndex: (_index: string, value: string) => cached.filter(({ spec }) => `n/${spec.name}` === value),
      upsertFromWrite: (queue: TaskQueue) => cached.push(queue),
    },
    admission: { setQueueLimit: () => {} },
    log: { info: () => {} },
  } as unknown as Parameters<typeof ensureQueueOfRun>[0];
  return { deps, written };
}

const taskQueue = (name: string, spec: TaskQueue["spec"], metadata: object = {}): TaskQueue => ({
  apiVersion: "",
  kind: "TaskQueue",
  metadata: { namespace: "n", name, uid: "q", ...metadata },
  spec,
});

test("the TaskQueue of the Task that was deleted is taken over with its limit", async () => {
  const first = queuesOf([
    taskQueue("q", { name: "task/t", concurrencyLimit: 1 }, { ...ownedBy("t1"), name: "q" }),
  ]);
  await ensureQueueOfTask(first.deps, task("t2"));
  expect(first.written).toEqual([[expect.any(String), 1, "t2"]]);
  const own = queuesOf([
    taskQueue("q", { name: "task/t", concurrencyLimit: 1 }, { ...ownedBy("t2"), name: "q" }),
  ]);
  await ensureQueueOfTask(own.deps, task("t2"));
  expect(own.written).toEqual([]);
});

test.each([
  ["known", 1],
  ["not in the cache yet", 0],
])(
  "a run's limit is not lost to a TaskQueue of that name which is another queue and %s",
  async (_title, known) => {
    const { deps, written } = queuesOf([taskQueue("emails", { name: "other" })], known);
    const run = {
      metadata: { namespace: "n" },
      spec: { task: "t", queue: { name: "emails", concurrencyLimit: 1 } },
    };
    await ensureQueueOfRun(deps, run as TaskRun);
    expect(written).toEqual([[expect.stringMatching(/^emails-[0-9a-f]{10}$/), 1, undefined]]);
  },
);
