/**
 * The controller: informers, work queues and reconcilers, led by one replica.
 *
 * Every replica keeps its caches warm; only the leader reconciles, admits and tells Events. A change of a TaskRun, of
 * its Job, its pod or its Task adds the run's key; the reconciler looks at all of them.
 */
import { attemptLabel, batchLabel, managedSelector, runLabel } from "@fairlead/protocol/labels";
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Config } from "../config.ts";
import { Informer } from "../kube/cache/informer.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { EventRecorder } from "../kube/manager/eventRecorder.ts";
import { done, type Requeue } from "../kube/manager/requeue.ts";
import { WorkQueue } from "../kube/manager/workQueue.ts";
import { Jobs, Pods, type Resource } from "../kube/resources.ts";
import { TaskBatches, TaskQueues, TaskRuns, TaskSchedules, Tasks } from "../model/kinds.ts";
import { nameOfQueue, type Task, type TaskQueue, type TaskSchedule } from "../model/resources.ts";
import type { Grant } from "../queue/admission.ts";
import { RedisAdmission } from "../queue/redisAdmission.ts";
import type { RunTokens } from "../runs/runToken.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { measureController } from "./controllerMetrics.ts";
import type { RunDeps } from "./deps.ts";
import { Environments } from "./environments.ts";
import { sweepBucket } from "./maintenance/bucketSweeper.ts";
import { sweepSlots } from "./maintenance/slotSweeper.ts";
import { taskIndex, taskOf } from "./task/lookup.ts";
import { reconcileTask } from "./task/reconciler.ts";
import { Versions } from "./task/taskVersions.ts";
import { type CachedBatch, withoutItems } from "./taskBatch/cache.ts";
import { reconcileBatch } from "./taskBatch/reconciler.ts";
import { announce, keepQueueStatus, queueIndex } from "./taskQueue/reconciler.ts";
import { admissionSource } from "./taskRun/admissionSource.ts";
import { type CachedRun, withoutPayload } from "./taskRun/cache.ts";
import { reconcileTaskRun } from "./taskRun/reconciler.ts";
import { storyOf } from "./taskRun/runEvents.ts";
import { Slots } from "./taskRun/slots.ts";
import { reconcileSchedule } from "./taskSchedule/reconciler.ts";

export interface ControllerOptions {
  client: KubeClient;
  store: ObjectStore;
  tokens: RunTokens;
  redis: Redis;
  /** The term that this process leads in. */
  term: () => number | undefined;
  config: Config;
  metrics: Registry;
  log: Logger;
}

type Informers = "runs" | "tasks" | "jobs" | "pods" | "batches" | "queues" | "schedules";

/** Runs reconciled at once; each step is a request or two. */
const concurrency = 16;
const backoff = { baseDelayMs: 200, maxDelayMs: 60_000 };
/** A watch hears a bookmark about every minute. */
const silenceLimitMs = 5 * 60_000;

export class Controller {
  readonly #deps: RunDeps;
  readonly #taskQueue: WorkQueue;
  readonly #recorder: EventRecorder;
  #leading = false;

  constructor(options: ControllerOptions) {
    const { client, config, log } = options;
    const informers = informersOf(client, config, log);
    this.#deps = { ...options, ...informers, ...this.#core(options, informers.tasks) };
    this.#taskQueue = this.#newQueue("task", (key) => requeueOf(reconcileTask(this.#deps, key)));
    this.#recorder = new EventRecorder({ client, component: "fairlead-controller", log });
    this.#subscribe();
    measureController(options.metrics, this.#deps);
  }

  #core(
    { client, config, log, redis, term }: ControllerOptions,
    tasks: Informer<Task>,
  ): Omit<RunDeps, keyof ControllerOptions | Informers> {
    const { watchNamespaces, namespaceConcurrencyLimit } = config;
    const environments = new Environments(client, watchNamespaces, namespaceConcurrencyLimit, log);
    const admission = new RedisAdmission({
      redis,
      source: admissionSource({
        client,
        environments,
        taskOf: (namespace, id) => taskOf({ tasks }, namespace, id),
        clock: Date.now,
      }),
      term: () => term() ?? 0,
      log,
      onOpen: (namespace) => this.#lookAgain(namespace),
      onFenced: (namespace) => log.error({ namespace }, "another leader with a younger term has the queues"),
    });
    return {
      admission,
      environments,
      queue: this.#newQueue("run", (key) => requeueOf(reconcileTaskRun(this.#deps, key))),
      batchQueue: this.#newQueue("batch", (key) => requeueOf(reconcileBatch(this.#deps, key))),
      scheduleQueue: this.#newQueue("schedule", (key) => requeueOf(reconcileSchedule(this.#deps, key))),
      versions: new Versions(client),
      slots: new Slots(admission),
      clock: Date.now,
      random: Math.random,
    };
  }

  /** Fills the caches and keeps them; resolves when they are filled. */
  async sync(signal: AbortSignal): Promise<void> {
    const { environments } = this.#deps;
    await Promise.all([...this.#informers, environments].map((source) => source.start(signal)));
  }

  /** The leader's work, until the signal is aborted. */
  async lead(signal: AbortSignal): Promise<void> {
    const { runs, tasks, batches, schedules, queue, batchQueue, scheduleQueue, admission, slots } =
      this.#deps;
    await this.sync(signal);
    slots.clear();
    const onGrant = (grant: Grant): void => {
      slots.onGrant(grant);
      queue.add(`${grant.namespace}/${grant.name}`);
    };
    await admission.start(onGrant, signal);
    this.#leading = true;
    try {
      for (const task of tasks.list()) this.#taskQueue.add(keyOf(task));
      for (const run of runs.list()) queue.add(keyOf(run));
      for (const batch of batches.list()) batchQueue.add(keyOf(batch));
      for (const schedule of schedules.list()) scheduleQueue.add(keyOf(schedule));
      const queues = [queue, this.#taskQueue, batchQueue, scheduleQueue];
      const upkeep = [keepQueueStatus, sweepSlots, sweepBucket].map((work) => work(this.#deps, signal));
      await Promise.all([...queues.map((one) => one.run(signal)), ...upkeep]);
    } finally {
      this.#leading = false;
      await this.#recorder.flush();
    }
  }

  /** Undefined when well. */
  problem(): string | undefined {
    return this.#informers.every((informer) => informer.synced) ? undefined : "the caches are not filled yet";
  }

  /** Whether a watch has been silent for so long that only a restart can help. */
  stuck(): string | undefined {
    const quietest = Math.min(...this.#informers.map((informer) => informer.lastActivityAt || Date.now()));
    return Date.now() - quietest > silenceLimitMs ? "a watch has been silent for five minutes" : undefined;
  }

  get #informers(): Pick<Informer<Task>, "start" | "synced" | "lastActivityAt">[] {
    const { runs, tasks, jobs, pods, batches, queues, schedules } = this.#deps;
    return [runs, tasks, jobs, pods, batches, queues, schedules];
  }

  #newQueue(name: string, handler: (key: string) => Promise<Requeue>): WorkQueue {
    return new WorkQueue(handler, {
      concurrency,
      ...backoff,
      onError: (key, error, failures, delayMs) =>
        this.#deps.log.warn(
          { err: error, [name]: key, failures, delayMs },
          "reconciling failed; trying again",
        ),
    });
  }

  #subscribe(): void {
    const { runs, tasks, jobs, pods, queue, batches, batchQueue, schedules, scheduleQueue } = this.#deps;
    const { queues, environments, admission } = this.#deps;
    runs.addIndex("batch", (run) => {
      const batch = run.metadata.labels?.[batchLabel];
      return batch ? [`${run.metadata.namespace}/${batch}`] : [];
    });
    runs.addIndex("parked", (run) =>
      run.status?.reason === "TaskNotFound" && run.spec.task
        ? [`${run.metadata.namespace}/${run.spec.task}`]
        : [],
    );
    tasks.addIndex("id", taskIndex);
    queues.addIndex("name", queueIndex);
    queues.on("change", (_key, before, after) => {
      if (!this.#leading) return;
      for (const queue of [before, after]) {
        if (queue) announce(this.#deps, queue.metadata.namespace, nameOfQueue(queue));
      }
    });
    environments.onChange = (namespace) => {
      if (!this.#leading) return;
      admission.setNamespaceLimit(namespace, environments.limitOf(namespace));
    };
    pods.addIndex("attempt", (pod) => {
      const { namespace, labels } = pod.metadata ?? {};
      const run = labels?.[runLabel];
      return run ? [`${namespace}/${run}/${labels?.[attemptLabel]}`] : [];
    });
    // Those who stand by keep no queue: a leader begins with every key.
    runs.on("change", (key, before, after) => {
      if (!this.#leading) return;
      queue.add(key);
      const batch = (after ?? before)?.metadata.labels?.[batchLabel];
      if (batch) batchQueue.add(`${(after ?? before)?.metadata.namespace}/${batch}`);
      if (after) this.#tell(before?.metadata.uid === after.metadata.uid ? before : undefined, after);
    });
    tasks.on("change", (key) => {
      if (this.#leading) this.#taskQueue.add(key);
    });
    batches.on("change", (key) => this.#leading && batchQueue.add(key));
    schedules.on("change", (key) => this.#leading && scheduleQueue.add(key));
    environments.onGone = (namespace) => {
      if (!this.#leading) return;
      admission.drop(namespace).catch((error: unknown) => {
        this.#deps.log.warn({ err: error, namespace }, "what Redis holds of a deleted namespace stays");
      });
    };
    const ofRun = (_key: string, before: V1Job | V1Pod | undefined, after: V1Job | V1Pod | undefined) => {
      const { namespace, labels } = (after ?? before)?.metadata ?? {};
      if (this.#leading && labels?.[runLabel]) queue.add(`${namespace}/${labels[runLabel]}`);
    };
    jobs.on("change", ofRun);
    pods.on("change", ofRun);
  }

  /** The queues of a namespace were rebuilt: a run that starts may have lost its slot, or waits to confirm it. */
  #lookAgain(namespace: string): void {
    for (const run of this.#deps.runs.list()) {
      const { phase } = run.status ?? {};
      if (run.metadata.namespace === namespace && (phase === "Starting" || phase === "Queued"))
        this.#deps.queue.add(keyOf(run));
    }
  }

  #tell(before: CachedRun | undefined, after: CachedRun): void {
    for (const { type, reason, message } of storyOf(before, after)) {
      this.#recorder.record(after, type, reason, message);
    }
  }
}

/** Until each reconciler says itself when it wants to look again. */
const requeueOf = async (work: Promise<Requeue> | Promise<void>): Promise<Requeue> => (await work) ?? done;

const keyOf = (object: { metadata: { namespace: string; name: string } }): string =>
  `${object.metadata.namespace}/${object.metadata.name}`;

function informersOf(client: KubeClient, config: Config, log: Logger): Pick<RunDeps, Informers> {
  const scope = { namespaces: config.watchNamespaces, log };
  const managed = { ...scope, labelSelector: managedSelector };
  return {
    runs: new Informer<CachedRun>(client, TaskRuns as Resource<CachedRun>, {
      ...scope,
      transform: withoutPayload,
    }),
    tasks: new Informer<Task>(client, Tasks, scope),
    batches: new Informer<CachedBatch>(client, TaskBatches as Resource<CachedBatch>, {
      ...scope,
      transform: withoutItems,
    }),
    queues: new Informer<TaskQueue>(client, TaskQueues, scope),
    schedules: new Informer<TaskSchedule>(client, TaskSchedules, scope),
    jobs: new Informer<V1Job>(client, Jobs, managed),
    pods: new Informer<V1Pod>(client, Pods, managed),
  };
}
