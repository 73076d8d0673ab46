/**
 * What a rebuild of the semaphore reads: the namespace's limit, its TaskQueues, and its runs, those that hold
 * a slot and those that wait for one now. The API server says what there is, and the caches are believed
 * where they have the same version of it (readCurrent.ts): a rebuild reads no payloads. A slot is also held
 * by the containers of a run that was deleted: Jobs and pods are read before the runs, so that a run which
 * is deleted in between is found at least once.
 */

import { managedSelector } from "@fairlead/protocol/labels";
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { Config } from "../../config.ts";
import { jobProjection, podProjection } from "../../jobs/projection.ts";
import type { Informer } from "../../kube/cache/informer.ts";
import { readCurrent } from "../../kube/cache/readCurrent.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Jobs, Pods } from "../../kube/resources.ts";
import { TaskQueues, TaskRuns } from "../../model/kinds.ts";
import { governing, settingsOf } from "../../model/queue/governing.ts";
import { nameOfQueue, type Task, type TaskQueue, type TaskRun } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import type { PendingRun } from "../../queue/admission.ts";
import type { AdmissionSource, Holder, Limits } from "../../queue/clusterState.ts";
import type { Environments } from "../namespace/environments.ts";
import { isJobOf } from "./attempt/view.ts";
import { type CachedRun, toCachedRun } from "./cache.ts";
import { deletedHolders } from "./deleted.ts";
import { holderOf, isPending, pendingOf } from "./queueEntry.ts";

interface SourceDeps {
  client: KubeClient;
  caches: {
    runs: Pick<Informer<CachedRun>, "get">;
    jobs: Pick<Informer<V1Job>, "get">;
    pods: Pick<Informer<V1Pod>, "get">;
  };
  environments: Pick<Environments, "readLimit">;
  /** The Task with this id, from the cache: only to find the queue of a run that was never admitted. */
  taskOf(namespace: string, id: string): Task | undefined;
  clock(): number;
  config: Pick<Config, "nodeLostAfterSeconds">;
  /** Throws unless the namespace belongs to this release. */
  verifyOwner(namespace: string): Promise<void>;
  /** Called with all slots that are held, before they are loaded. */
  onRead(holders: readonly Holder[]): void;
}

export function admissionSource(deps: SourceDeps): AdmissionSource {
  return {
    async limits(namespace): Promise<Limits> {
      await deps.verifyOwner(namespace);
      const byName = new Map<string, TaskQueue[]>();
      for await (const queue of deps.client.listAll(TaskQueues, namespace)) {
        const name = nameOfQueue(queue);
        byName.set(name, [...(byName.get(name) ?? []), queue]);
      }
      const queues = [...byName].map(([name, same]) => ({ name, ...settingsOf(governing(same)) }));
      return { namespace: await deps.environments.readLimit(namespace), queues };
    },

    async runs(namespace) {
      const { client, caches } = deps;
      const managed = { client, labelSelector: managedSelector };
      const readJobs = { ...managed, cache: caches.jobs, resource: Jobs, transform: jobProjection };
      const readPods = { ...managed, cache: caches.pods, resource: Pods, transform: podProjection };
      const readRuns = { client, cache: caches.runs, resource: TaskRuns, transform: toCachedRun };
      const jobs = new Map(
        (await readCurrent(readJobs, namespace)).map((job) => [job.metadata?.name ?? "", job]),
      );
      const pods = await readCurrent(readPods, namespace);
      const present = new Set<string>();
      const holders: Holder[] = [];
      const pending: PendingRun[] = [];
      for (const run of await readCurrent(readRuns, namespace)) {
        present.add(run.metadata.uid);
        const task = run.spec.task === undefined ? undefined : deps.taskOf(namespace, run.spec.task);
        if (holdsSlot(run)) holders.push(holderOf(run, (job) => hasJob(run, jobs.get(job))));
        else if (isPending(run, task, deps.clock())) pending.push(pendingOf(run, task));
      }
      const isPresent = (uid: string): boolean => present.has(uid);
      const { nodeLostAfterSeconds } = deps.config;
      const now = deps.clock();
      holders.push(...deletedHolders(jobs.values(), pods, isPresent, now, nodeLostAfterSeconds));
      deps.onRead(holders);
      return { holders, pending };
    },
  };
}

/** Of this run, not of an earlier one of its name. */
const hasJob = (run: TaskRun, job: V1Job | undefined): boolean => job !== undefined && isJobOf(run, job);
