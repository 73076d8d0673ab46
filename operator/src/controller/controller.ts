/**
 * The controller: informers, work queues and reconcilers, led by one replica.
 *
 * Every replica keeps its caches warm; only the leader reconciles, admits and tells Events. A change of a TaskRun, of
 * its Job, its pod or its Task adds the run's key; the reconciler looks at all of them.
 */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { Counter, Gauge, type Registry } from "prom-client";
import type { Config } from "../config.ts";
import { attemptLabel, managedSelector, runLabel } from "../jobs/labels.ts";
import type { KubeClient } from "../kube/client.ts";
import { EventRecorder } from "../kube/events.ts";
import { Informer } from "../kube/informer.ts";
import { Jobs, Pods, type Resource, TaskRuns, Tasks } from "../kube/resources.ts";
import { WorkQueue } from "../kube/workQueue.ts";
import type { Task } from "../model/resources.ts";
import type { Admission, Grant } from "../queue/admission.ts";
import type { RunTokens } from "../runToken.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { taskIndex } from "./admit.ts";
import type { CachedRun } from "./deps.ts";
import { withoutPayload } from "./payload.ts";
import { Slots } from "./slots.ts";
import { storyOf } from "./story.ts";
import { reconcileTask } from "./taskReconciler.ts";
import { type RunDeps, reconcileTaskRun } from "./taskRunReconciler.ts";
import { Versions } from "./versions.ts";

export interface ControllerOptions {
  client: KubeClient;
  store: ObjectStore;
  tokens: RunTokens;
  admission: Admission;
  config: Config;
  metrics: Registry;
  log: Logger;
}

type Informers = "runs" | "tasks" | "jobs" | "pods";

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
    this.#deps = { ...options, ...informersOf(client, config, log), ...this.#core(options) };
    this.#taskQueue = this.#newQueue("task", (key) => reconcileTask(this.#deps, key));
    this.#recorder = new EventRecorder({ client, component: "fairlead-controller", log });
    this.#subscribe();
    this.#measure(options.metrics);
  }

  #core({ client, admission }: ControllerOptions): Omit<RunDeps, keyof ControllerOptions | Informers> {
    return {
      queue: this.#newQueue("run", (key) => reconcileTaskRun(this.#deps, key)),
      versions: new Versions(client),
      slots: new Slots(admission),
      clock: Date.now,
      random: Math.random,
    };
  }

  /** Fills the caches and keeps them; resolves when they are filled. */
  async sync(signal: AbortSignal): Promise<void> {
    const { runs, tasks, jobs, pods } = this.#deps;
    await Promise.all([runs, tasks, jobs, pods].map((informer) => informer.start(signal)));
  }

  /** The leader's work, until the signal is aborted. */
  async lead(signal: AbortSignal): Promise<void> {
    const { runs, tasks, queue, admission, slots } = this.#deps;
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
      await Promise.all([queue.run(signal), this.#taskQueue.run(signal)]);
    } finally {
      this.#leading = false;
      await this.#recorder.flush();
    }
  }

  /** Undefined when well. */
  problem(): string | undefined {
    const { runs, tasks, jobs, pods } = this.#deps;
    if (![runs, tasks, jobs, pods].every((informer) => informer.synced))
      return "the caches are not filled yet";
    return undefined;
  }

  /** Whether a watch has been silent for so long that only a restart can help. */
  stuck(): string | undefined {
    const { runs, tasks, jobs, pods } = this.#deps;
    const quietest = Math.min(
      ...[runs, tasks, jobs, pods].map((informer) => informer.lastActivityAt || Date.now()),
    );
    return Date.now() - quietest > silenceLimitMs ? "a watch has been silent for five minutes" : undefined;
  }

  #newQueue(name: string, handler: (key: string) => Promise<void>): WorkQueue {
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
    const { runs, tasks, jobs, pods, queue } = this.#deps;
    runs.addIndex("parked", (run) =>
      run.status?.reason === "TaskNotFound" && run.spec.task
        ? [`${run.metadata.namespace}/${run.spec.task}`]
        : [],
    );
    tasks.addIndex("id", taskIndex);
    pods.addIndex("attempt", (pod) => {
      const { namespace, labels } = pod.metadata ?? {};
      const run = labels?.[runLabel];
      return run ? [`${namespace}/${run}/${labels?.[attemptLabel]}`] : [];
    });
    // Those who stand by keep no queue: a leader begins with every key.
    runs.on("change", (key, before, after) => {
      if (!this.#leading) return;
      queue.add(key);
      if (after) this.#tell(before?.metadata.uid === after.metadata.uid ? before : undefined, after);
    });
    tasks.on("change", (key) => {
      if (this.#leading) this.#taskQueue.add(key);
    });
    const ofRun = (_key: string, before: V1Job | V1Pod | undefined, after: V1Job | V1Pod | undefined) => {
      const { namespace, labels } = (after ?? before)?.metadata ?? {};
      if (this.#leading && labels?.[runLabel]) queue.add(`${namespace}/${labels[runLabel]}`);
    };
    jobs.on("change", ofRun);
    pods.on("change", ofRun);
  }

  #tell(before: CachedRun | undefined, after: CachedRun): void {
    for (const { type, reason, message } of storyOf(before, after)) {
      this.#recorder.record(after, type, reason, message);
    }
  }

  #measure(registry: Registry): void {
    const { runs, queue } = this.#deps;
    const registers = [registry];
    new Gauge({
      name: "fairlead_runs",
      help: "TaskRuns by phase.",
      labelNames: ["phase"],
      registers,
      collect() {
        this.reset();
        for (const run of runs.list()) this.inc({ phase: run.status?.phase ?? "New" });
      },
    });
    new Gauge({
      name: "fairlead_queue_depth",
      help: "Keys that wait to be reconciled.",
      registers,
      collect() {
        this.set(queue.depth);
      },
    });
    const total = (name: string, help: string, value: () => number) =>
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    total("fairlead_reconciles_total", "Reconciliations of TaskRuns.", () => queue.processed);
    total("fairlead_reconcile_retries_total", "Reconciliations that failed.", () => queue.retries);
  }
}

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
    jobs: new Informer<V1Job>(client, Jobs, managed),
    pods: new Informer<V1Pod>(client, Pods, managed),
  };
}
