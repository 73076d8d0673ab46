import { expect, test } from "vitest";
import { resolveProgram } from "../../../jobs/program.ts";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { at } from "../../../kube/manager/requeue.ts";
import { AdmissionClosedError } from "../../../queue/namespaceAdmission.ts";
import { afterError, afterExisting, createJob, type JobDeps } from "./createJob.ts";
import { job, second, starting, viewOf } from "./testViews.ts";

const view = viewOf(starting, 1);
const soon = at(second(6));
const refusal = (status: number, reason: string, message = "no") =>
  new KubeError({ method: "POST", path: "/jobs", status, reason, message });
const failed = (reason: string) => ({
  event: { type: "AttemptEnded", end: { outcome: "Failed", reason, retryable: false } },
});

test.each<[title: string, error: unknown, expected: object]>([
  ["an invalid Job fails the attempt", refusal(422, "Invalid"), failed("InvalidJob")],
  ["a bad request fails the attempt", refusal(400, "BadRequest"), failed("InvalidJob")],
  ["closed queues are asked again soon", new AdmissionClosedError("closed"), soon],
  [
    "a quota blocks the start",
    refusal(403, "Forbidden", "exceeded quota: pods"),
    { event: { type: "StartBlocked", attempt: 1, reason: "QuotaExceeded" }, requeue: soon },
  ],
  [
    "a policy blocks the start",
    refusal(403, "Forbidden", "violates PodSecurity"),
    { event: { type: "StartBlocked", attempt: 1, reason: "Forbidden" }, requeue: soon },
  ],
])("%s", (_title, error, expected) => {
  expect(afterError(view, error)).toMatchObject(expected);
});

test.each<[title: string, error: unknown]>([
  ["a server error", refusal(500, "InternalError")],
  ["no answer", refusal(0, "ConnectionFailed")],
  ["an error of the bucket", new Error("ECONNREFUSED")],
])("%s is left to the work queue's backoff", (_title, error) => {
  expect(afterError(view, error)).toBeUndefined();
});

test("a Job that an earlier try created is taken, one of something else fails the attempt", () => {
  expect(afterExisting(view, job())).toEqual(soon);
  expect(afterExisting(view, undefined)).toEqual(soon);
  const foreign = { metadata: { ...job().metadata, ownerReferences: [] } };
  expect(afterExisting(view, foreign)).toMatchObject(failed("JobNameTaken"));
});

test("closed admission that lasts is told", () => {
  const told = afterError(view, new AdmissionClosedError("closed"), "Redis does not answer.");
  expect(told).toMatchObject({
    event: { type: "StartBlocked", attempt: 1, reason: "AdmissionClosed" },
    requeue: soon,
  });
});

test.each<[field: string, spec: object]>([
  ["spec.podTemplate.volumes[0].hostPath", { volumes: [{ name: "host", hostPath: { path: "/" } }] }],
  ["spec.podTemplate.hostNetwork", { hostNetwork: true }],
  ["spec.podTemplate.serviceAccountName", { serviceAccountName: "admin" }],
])("a run that the pod policy refuses for its %s gets no Job", async (field, podTemplate) => {
  const writes: unknown[] = [];
  const run = { ...view.run, spec: { container: { image: "i" }, podTemplate } } as typeof view.run;
  const deps = {
    slots: { confirm: async () => true },
    config: { namespace: "fairlead" },
    client: {
      get: async () => run,
      create: async (...write: unknown[]) => writes.push(write),
    },
  } as unknown as JobDeps;
  const program = resolveProgram(run, undefined, { maxDurationSeconds: 60, startTimeoutSeconds: 30 });
  expect(await createJob(deps, { ...view, run, program })).toMatchObject({
    event: {
      type: "AttemptEnded",
      end: { outcome: "Failed", reason: "Forbidden", retryable: false },
    },
  });
  expect(JSON.stringify(await createJob(deps, { ...view, run, program }))).toContain(field);
  expect(writes).toEqual([]);
});

test("a payload that was edited since the run was accepted fails the attempt, without a Job", async () => {
  const edited = { ...view, run: { ...view.run, payload: { bytes: 1, sha256: "another" } } };
  const deps = { slots: { confirm: async () => true } } as unknown as JobDeps;
  expect(await createJob(deps, edited)).toMatchObject(failed("PayloadChanged"));
});
