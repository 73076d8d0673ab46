/**
 * What a rebuild of the semaphore reads, live from the API server: the namespace's limit, its TaskQueues, and
 * in one list its runs: those that hold a slot, and those that wait for one now.
 */

import { managedSelector } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { Jobs } from "../../kube/resources.ts";
import { TaskQueues, TaskRuns } from "../../model/kinds.ts";
import { governing, settingsOf } from "../../model/queue/governing.ts";
import { nameOfQueue, type Task, type TaskQueue } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { PendingRun } from "../../queue/admission.ts";
import type { AdmissionSource, Holder, Limits } from "../../queue/clusterState.ts";
import type { Environments } from "../namespace/environments.ts";
import { holderOf, isAdmissible, pendingOf } from "./queueEntry.ts";

interface SourceDeps {
  client: KubeClient;
  environments: Pick<Environments, "readLimit">;
  /** The Task with this id, from the cache: only to find the queue of a run that was never admitted. */
  taskOf(namespace: string, id: string): Task | undefined;
  clock(): number;
}

export function admissionSource(deps: SourceDeps): AdmissionSource {
  return {
    async limits(namespace): Promise<Limits> {
      const byName = new Map<string, TaskQueue[]>();
      for await (const queue of deps.client.listAll(TaskQueues, namespace)) {
        const name = nameOfQueue(queue);
        byName.set(name, [...(byName.get(name) ?? []), queue]);
      }
      const queues = [...byName].map(([name, same]) => ({ name, ...settingsOf(governing(same)) }));
      return { namespace: await deps.environments.readLimit(namespace), queues };
    },

    async runs(namespace) {
      const jobs = new Set<string>();
      for await (const job of deps.client.listAll(Jobs, namespace, { labelSelector: managedSelector })) {
        jobs.add(job.metadata?.name ?? "");
      }
      const holders: Holder[] = [];
      const pending: PendingRun[] = [];
      for await (const run of deps.client.listAll(TaskRuns, namespace)) {
        const task = run.spec.task === undefined ? undefined : deps.taskOf(namespace, run.spec.task);
        if (holdsSlot(run)) holders.push(holderOf(run, (job) => jobs.has(job)));
        else if (isAdmissible(run, task, deps.clock())) pending.push(pendingOf(run, task));
      }
      return { holders, pending };
    },
  };
}
