import { managedByLabel, managerName, taskLabel } from "@fairlead/protocol/labels";
import { expect, test } from "vitest";
import type { Phase, Task, TaskRun } from "../../model/resources.ts";
import { revisionOf, versionOf } from "../task/taskVersions.ts";
import { type RevisionSweepDeps, sweepRevisions } from "./revisionSweeper.ts";

const hour = 3_600_000;
const now = Date.UTC(2026, 0, 10);
const task: Task = {
  apiVersion: "",
  kind: "Task",
  metadata: { namespace: "n", name: "t", uid: "t1" },
  spec: { image: "i:now" },
};
const current = revisionOf("t", versionOf(task));

const revision = (name: string, ageHours: number) => ({
  metadata: {
    namespace: "n",
    name,
    uid: `uid of ${name}`,
    creationTimestamp: new Date(now - ageHours * hour).toISOString(),
    labels: { [managedByLabel]: managerName, [taskLabel]: "t" },
  },
});

const run = (phase: Phase, status: TaskRun["status"] = {}, version?: string): TaskRun => ({
  apiVersion: "",
  kind: "TaskRun",
  metadata: { namespace: "n", name: "r", uid: "r1" },
  spec: { task: "t", version },
  status: { phase, ...status },
});

async function deletedOf(
  revisions: ReturnType<typeof revision>[],
  runs: TaskRun[],
  tasks: Task[],
): Promise<string[]> {
  const deleted: string[] = [];
  const deps = {
    client: {
      async *listAll() {
        yield* revisions;
      },
      async delete(_resource: unknown, _namespace: string, name: string, options: { uid: string }) {
        expect(options.uid).toBe(`uid of ${name}`);
        deleted.push(name);
      },
    },
    owners: { otherOwner: () => undefined },
    runs: { list: () => runs },
    tasks: { list: () => tasks, get: () => tasks[0] },
    versions: { forget: () => {} },
    config: { watchNamespaces: [] },
    clock: () => now,
  } as unknown as RevisionSweepDeps;
  await sweepRevisions(deps);
  return deleted.sort();
}

/** Fifteen deploys, an hour apart, the oldest first. */
const deploys = Array.from({ length: 15 }, (_, n) => revision(`t-v${String(n).padStart(2, "0")}`, 20 - n));

test("of a living Task's versions the newest ten stay", async () => {
  expect(await deletedOf(deploys, [], [task])).toEqual(["t-v00", "t-v01", "t-v02", "t-v03", "t-v04"]);
});

test("a version stays while an unfinished run is pinned to it or asks for it, and while it is the present one", async () => {
  const runs = [
    run("Executing", { controllerRevision: "t-v00" }),
    run("Delayed", {}, "v01"),
    run("Completed", { controllerRevision: "t-v02" }),
  ];
  const rolledBack = revision(current, 100);
  expect(await deletedOf([rolledBack, ...deploys], runs, [task])).toEqual(["t-v02", "t-v03", "t-v04"]);
});

test("without their Task, versions stay for a day, and as long as a run is pinned to them", async () => {
  const old = deploys.map(({ metadata }, n) => revision(metadata.name, 30 - n));
  const runs = [run("Executing", { controllerRevision: "t-v00" })];
  expect(await deletedOf(old, runs, [])).toEqual(["t-v01", "t-v02", "t-v03", "t-v04", "t-v05"]);
});

test("a version that was just stored stays, however many newer ones there are", async () => {
  const burst = deploys.map(({ metadata }) => revision(metadata.name, 0.5));
  expect(await deletedOf(burst, [], [task])).toEqual([]);
});
