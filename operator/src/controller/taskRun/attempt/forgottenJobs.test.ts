import { attemptLabel, runUidLabel } from "@fairlead/protocol/labels";
import type { V1Job } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import type { TaskRun } from "../../../model/resources.ts";
import { removeForgottenJobs } from "./forgottenJobs.ts";
import { starting } from "./testViews.ts";

const jobOf = (number: number, change: V1Job["metadata"] = {}): V1Job => ({
  metadata: {
    name: `r-${number}`,
    uid: `j${number}`,
    labels: { [runUidLabel]: starting.metadata.uid, [attemptLabel]: String(number) },
    ownerReferences: [{ apiVersion: "", kind: "TaskRun", name: "r", uid: starting.metadata.uid }],
    ...change,
  },
});

test("Jobs of attempts that left the list are removed by their uids, those that are listed or to come stay", async () => {
  const attempts = [2, 5, 6].map((number) => ({ number, job: `r-${number}`, slot: number, admittedAt: "" }));
  const run: TaskRun = { ...starting, status: { ...starting.status, attempts } };
  const jobs = [1, 2, 3, 5, 6, 7].map((number) => jobOf(number));
  jobs.push(jobOf(4, { deletionTimestamp: new Date() }), jobOf(4, { ownerReferences: [] }));
  const deleted: unknown[] = [];
  const client = {
    delete: async (_resource: unknown, _namespace: unknown, name: string, options: { uid?: string }) => {
      deleted.push([name, options.uid]);
      return true;
    },
  };
  await removeForgottenJobs({ client: client as never, jobs: { byIndex: () => jobs } }, run);
  expect(deleted).toEqual([
    ["r-1", "j1"],
    ["r-3", "j3"],
  ]);
});
