/** Jobs as the controller makes them, and with one thing that no run may have. */
import { buildJob } from "../../../operator/src/jobs/jobBuilder.ts";
import { policyIn } from "../../../operator/src/jobs/podPolicySettings.ts";
import { type PinnedTask, resolveProgram } from "../../../operator/src/jobs/program.ts";
import { type Attempt, apiVersion, type TaskRun } from "../../../operator/src/model/resources.ts";
import { type Fields, image, merged, tenant } from "./policedServer.ts";

const attempt: Attempt = { number: 1, job: "tried", slot: 1, admittedAt: "2026-01-01T00:00:00Z" };
/** The Job that the controller makes of a run with this template. */
export function jobOf(podTemplate: object, namespace = tenant, values: object = {}): Fields {
  const metadata = { name: "r", namespace, uid: "7f3e0c3a-9d0f-4c29-8a53-1d7d7b6f0a11" };
  const run = { apiVersion, kind: "TaskRun", metadata, spec: { task: "t" } } as unknown as TaskRun;
  const task = { name: "t", id: "t", spec: { image, podTemplate } } as unknown as PinnedTask;
  const defaults = { maxDurationSeconds: 60, startTimeoutSeconds: 30 };
  const policy = { ...policyIn(namespace), ...values };
  const job = buildJob(
    run,
    attempt,
    resolveProgram(run, task, defaults),
    [{ name: "A", value: "b" }],
    policy,
  );
  return JSON.parse(JSON.stringify(job));
}
/** With these fields of the pod, and these volumes besides the attempt's own. */
export function withPod({ volumes = [], ...spec }: { volumes?: object[]; [field: string]: unknown }): Fields {
  const job = jobOf({}) as { spec: { template: { spec: { volumes: object[] } } } };
  const pod = job.spec.template.spec;
  return merged(job, { spec: { template: { spec: { ...spec, volumes: [...pod.volumes, ...volumes] } } } });
}
/** Of the first container. */
export function withContainer(fields: object): Fields {
  const job = jobOf({}) as { spec: { template: { spec: { containers: object[] } } } };
  const { spec } = job.spec.template;
  spec.containers = [merged(spec.containers[0] as object, fields)];
  return job as unknown as Fields;
}
