/** What the reconcilers share. Composed once in controller.ts. */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { Informer } from "../kube/cache/informer.ts";
import type { KubeClient } from "../kube/client/client.ts";
import type { WorkQueue } from "../kube/manager/workQueue.ts";
import type { Task, TaskQueue, TaskSchedule } from "../model/resources.ts";
import type { RedisAdmission } from "../queue/redisAdmission.ts";
import type { RunTokens } from "../runs/runToken.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import type { Environments } from "./environments.ts";
import type { Versions } from "./task/taskVersions.ts";
import type { CachedBatch } from "./taskBatch/cache.ts";
import type { CachedRun } from "./taskRun/cache.ts";
import type { Slots } from "./taskRun/slots.ts";

export interface Deps {
  client: KubeClient;
  runs: Informer<CachedRun>;
  tasks: Informer<Task>;
  jobs: Informer<V1Job>;
  pods: Informer<V1Pod>;
  batches: Informer<CachedBatch>;
  queues: Informer<TaskQueue>;
  schedules: Informer<TaskSchedule>;
  /** These three go: a reconciler returns a Requeue, and other kinds are woken by watches. */
  queue: WorkQueue;
  batchQueue: WorkQueue;
  scheduleQueue: WorkQueue;
  admission: RedisAdmission;
  environments: Environments;
  versions: Versions;
  slots: Slots;
  store: ObjectStore;
  tokens: RunTokens;
  config: Config;
  log: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1); seeded by tests. */
  random: () => number;
}

/** What the steps of a run share: today all of it. A step that needs little takes a Pick of it. */
export type RunDeps = Deps;

export const keyOf = (object: { metadata?: { namespace?: string; name?: string } }): string =>
  `${object.metadata?.namespace}/${object.metadata?.name}`;

export const splitKey = (key: string): [namespace: string, name: string] => {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
};

export const isoNow = (deps: { clock: () => number }): string => new Date(deps.clock()).toISOString();
