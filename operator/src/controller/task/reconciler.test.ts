import { expect, test } from "vitest";
import { done } from "../../kube/manager/requeue.ts";
import { queueOfTask } from "../../model/queue/governing.ts";
import { apiVersion, type Task, type TaskQueue, type TaskSchedule } from "../../model/resources.ts";
import { reconcileTask, type TaskDeps } from "./reconciler.ts";
import { versionOf } from "./taskVersions.ts";

const now = Date.UTC(2026, 0, 1);
const task = (name: string, more: Partial<Task> = {}, created = "2026-01-01T00:00:00Z"): Task => ({
  apiVersion,
  kind: "Task",
  metadata: {
    name,
    namespace: "n",
    uid: name,
    generation: 2,
    resourceVersion: "7",
    creationTimestamp: created,
  },
  spec: { image: "i" },
  ...more,
});

/** Reconciles the first of these Tasks; returns the conditions that were written. */
async function reconcile(tasks: Task[], schedules: TaskSchedule[] = []) {
  const [own] = tasks as [Task];
  const statuses: Task["status"][] = [];
  const queue: TaskQueue = {
    apiVersion,
    kind: "TaskQueue",
    metadata: { name: "q", namespace: "n", uid: "q", labels: { "fairlead.dev/origin": "task" } },
    spec: { name: queueOfTask(own) },
  };
  const cache = (get: unknown, byIndex: unknown[]) => ({
    get: () => get,
    byIndex: () => byIndex,
    upsertFromWrite: () => undefined,
  });
  const deps = {
    client: {
      replace: async (_resource: unknown, _namespace: string, _name: string, body: Task) => {
        statuses.push(body.status);
        return body;
      },
    },
    tasks: cache(own, tasks),
    queues: cache(undefined, [queue]),
    schedules: cache(schedules[0], []),
    clock: () => now,
  } as unknown as TaskDeps;
  expect(await reconcileTask(deps, `n/${own.metadata.name}`)).toEqual(done);
  return statuses;
}

const condition = async (tasks: Task[], schedules?: TaskSchedule[]) =>
  (await reconcile(tasks, schedules))[0]?.conditions?.[0];

test("a Task's status says that runs execute it, and which version", async () => {
  const own = task("mail");
  const [status] = await reconcile([own]);
  expect(status).toMatchObject({ version: versionOf(own), observedGeneration: 2 });
  expect(status?.conditions).toMatchObject([
    { type: "Ready", status: "True", reason: "Accepted", observedGeneration: 2 },
  ]);
});

test("a Task that asks for what the pod policy refuses is not ready, and its message names field and value", async () => {
  const podTemplate = { volumes: [{ name: "host", hostPath: { path: "/" } }] };
  const ready = await condition([task("mail", { spec: { image: "i", podTemplate } })]);
  expect(ready).toMatchObject({ status: "False", reason: "Forbidden" });
  expect(ready?.message).toMatch(
    /spec\.podTemplate\.volumes\[0\]\.hostPath: .*podPolicy\.volumeTypes can allow it/,
  );
});

test("a Task with the id of an older one is not ready, and its message names the older one", async () => {
  const older = task("old", { spec: { image: "i", id: "mail" } }, "2025-01-01T00:00:00Z");
  const ready = await condition([task("mail"), older]);
  expect(ready).toMatchObject({ status: "False", reason: "DuplicateId" });
  expect(ready?.message).toMatch(/^spec\.id: Task old has the id mail already/);
});

test("a Task is not ready while a TaskSchedule of another owner has the name of its schedule", async () => {
  const own = task("mail", { spec: { image: "i", schedule: { cron: "* * * * *" } } });
  const metadata = { name: "mail-schedule", namespace: "n", uid: "s" };
  const foreign = { apiVersion, kind: "TaskSchedule", metadata, spec: { task: "x", cron: "* * * * *" } };
  expect(await condition([own], [foreign])).toMatchObject({ status: "False", reason: "ScheduleNameTaken" });
});

test("a status that says so already is not written", async () => {
  const [status] = await reconcile([task("mail")]);
  expect(await reconcile([task("mail", { status })])).toEqual([]);
});
