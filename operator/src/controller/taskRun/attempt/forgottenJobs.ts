/**
 * Jobs of attempts that the run's status does not list any more: it keeps the last ones, and an attempt
 * leaves the list when its log is captured. Nothing else would remove them before the run goes.
 */
import { attemptLabel } from "@fairlead/protocol/labels";
import type { V1Job } from "@kubernetes/client-node";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { Jobs } from "../../../kube/resources.ts";
import type { TaskRun } from "../../../model/resources.ts";
import type { Deps } from "../../deps.ts";
import { isJobOf } from "./view.ts";

interface ForgottenDeps {
  client: Pick<Deps["client"], "delete">;
  jobs: Pick<Deps["jobs"], "byIndex">;
}

export async function removeForgottenJobs({ client, jobs }: ForgottenDeps, run: TaskRun): Promise<void> {
  for (const { metadata } of forgottenJobs(run, jobs.byIndex("runUid", run.metadata.uid))) {
    const { namespace, name = "", uid } = metadata ?? {};
    try {
      await client.delete(Jobs, namespace, name, { propagationPolicy: "Background", uid });
    } catch (error) {
      if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
    }
  }
}

/** Of attempts before the last one that is listed; a later one may be about to be written. */
function forgottenJobs(run: TaskRun, jobs: readonly V1Job[]): V1Job[] {
  const listed = (run.status?.attempts ?? []).map(({ number }) => number);
  const last = listed.at(-1) ?? 0;
  return jobs.filter((job) => {
    const number = Number(job.metadata?.labels?.[attemptLabel]);
    const isForgotten = number < last && !listed.includes(number);
    return isForgotten && !job.metadata?.deletionTimestamp && isJobOf(run, job);
  });
}
