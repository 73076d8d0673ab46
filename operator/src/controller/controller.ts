/**
 * The controller: composes what its reconcilers share, and names the controllers and the periodic work that
 * the manager runs. README.md says how to add a kind.
 */
import type { Redis } from "ioredis";
import type { Logger } from "pino";
import type { Registry } from "prom-client";
import type { Config } from "../config.ts";
import type { KubeClient } from "../kube/client/client.ts";
import type { Controller as KubeController } from "../kube/manager/controller.ts";
import { Manager } from "../kube/manager/manager.ts";
import { type KubeObject, keyOf, objectKey } from "../kube/resources.ts";
import { group } from "../model/resources.ts";
import { resumes } from "../model/run/phase.ts";
import type { Grant } from "../queue/admission.ts";
import { RedisAdmission } from "../queue/redisAdmission.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { observeController } from "../telemetry/controllerMetrics.ts";
import { cacheDeclarations, type OwnKind } from "./caches.ts";
import type { Deps } from "./deps.ts";
import { bucketSweeper } from "./maintenance/bucketSweeper.ts";
import { queueStatus } from "./maintenance/queueStatus.ts";
import { revisionSweeper } from "./maintenance/revisionSweeper.ts";
import { slotSweeper } from "./maintenance/slotSweeper.ts";
import { waitingRuns } from "./maintenance/waitingRuns.ts";
import { namespaces } from "./namespace/controller.ts";
import { Environments } from "./namespace/environments.ts";
import { NamespaceOwners, ownerKeeper } from "./namespace/owners.ts";
import { tasks } from "./task/controller.ts";
import { taskOf } from "./task/lookup.ts";
import { TaskVersions } from "./task/taskVersions.ts";
import { taskBatches } from "./taskBatch/controller.ts";
import { taskQueues } from "./taskQueue/controller.ts";
import { admissionSource } from "./taskRun/admissionSource.ts";
import { LogCaptures } from "./taskRun/attempt/captureLog.ts";
import { EventProblems } from "./taskRun/attempt/eventProblems.ts";
import { LastTold } from "./taskRun/attempt/lastTold.ts";
import { livePods } from "./taskRun/attempt/livePods.ts";
import { endedRuns, taskRuns } from "./taskRun/controller.ts";
import { Room } from "./taskRun/room.ts";
import { Slots } from "./taskRun/slots.ts";
import { taskSchedules } from "./taskSchedule/controller.ts";
import { waitTokens } from "./waitToken/controller.ts";

/** The controller of each kind of ours. */
const controllers: Record<OwnKind, KubeController<Deps>> = {
  tasks,
  runs: taskRuns,
  batches: taskBatches,
  queues: taskQueues,
  schedules: taskSchedules,
  waitTokens,
};

interface ControllerOptions {
  client: KubeClient;
  store: ObjectStore;
  redis: Redis;
  /** See installationId.ts. */
  installation: string;
  /** The term that this process leads in. */
  term: () => number | undefined;
  /** Redis knows this term, which is above ours: only a higher one can admit. */
  onFenced: (term: number) => void;
  config: Config;
  metrics: Registry;
  log: Logger;
}

export class Controller {
  readonly #manager: Manager<typeof cacheDeclarations>;
  readonly #deps: Deps;

  constructor(options: ControllerOptions) {
    const { client, store, redis, installation, term, onFenced, config, metrics, log } = options;
    const { watchNamespaces, namespaceConcurrencyLimit } = config;
    this.#manager = new Manager({
      client,
      caches: cacheDeclarations,
      namespaces: watchNamespaces,
      component: "fairlead-controller",
      log,
      owns: (namespace) => owners.isOurs(namespace),
      onUnowned: (namespace, created) => this.#onUnowned(namespace, created),
    });
    const { caches } = this.#manager;
    const owners: NamespaceOwners = new NamespaceOwners({
      client,
      leases: caches.ownerLeases,
      config,
      clock: Date.now,
      log,
      onOurs: (namespace) => this.#manager.begin(namespace),
      onUnclaimed: (namespace) => this.#sayUnclaimed(namespace),
    });
    const environments = new Environments(client, watchNamespaces, namespaceConcurrencyLimit, log);
    const room = new Room({ clock: Date.now, onChange: (namespace) => admission.roomChanged(namespace) });
    const admission: RedisAdmission = new RedisAdmission({
      redis,
      source: admissionSource({
        client,
        caches,
        environments,
        taskOf: (namespace, id) => taskOf(caches, namespace, id),
        clock: Date.now,
        config,
        verifyOwner: (namespace) => owners.verify(namespace),
        onRead: (holders) => this.#adopt(holders),
      }),
      room,
      installation,
      term: () => term() ?? 0,
      log,
      onOpen: (namespace) => this.#enqueueRunsWithSlots(namespace),
      onFenced: (namespace, known) => {
        log.error({ namespace, term: term(), known }, "Redis knows a later term than ours");
        onFenced(known);
      },
    });
    this.#deps = {
      ...caches,
      client,
      admission,
      environments,
      owners,
      versions: new TaskVersions(client),
      slots: new Slots(admission),
      room,
      livePods: livePods(client),
      logs: new LogCaptures({ client, store, clock: Date.now }),
      lastTold: new LastTold(),
      jobProblems: new EventProblems("jobs", { client, log, clock: Date.now }),
      podProblems: new EventProblems("pods", { client, log, clock: Date.now }),
      scaleUps: new EventProblems("scaleUps", { client, log, clock: Date.now }),
      record: (object, event) => this.#manager.record(object, event),
      sweepStats: { deleted: 0 },
      store,
      config,
      log,
      clock: Date.now,
      random: Math.random,
    };
    this.#manager.add(this.#deps, namespaces, ...Object.values(controllers), endedRuns);
    this.#manager.addPeriodic(
      this.#deps,
      ownerKeeper,
      slotSweeper,
      bucketSweeper,
      revisionSweeper,
      queueStatus,
      waitingRuns,
    );
    const { sweepStats } = this.#deps;
    const { runs } = caches;
    observeController(metrics, { runs, manager: this.#manager, admission, owners, sweepStats, store });
  }

  /** Fills the caches and keeps them fresh; resolves when they are filled. */
  async sync(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#manager.sync(signal), this.#deps.environments.start(signal)]);
  }

  /** The leader's work, until the signal is aborted. */
  async lead(signal: AbortSignal): Promise<void> {
    const { admission, room, slots } = this.#deps;
    await this.sync(signal);
    slots.clear();
    room.clear();
    const onGrant = (grant: Grant): void => {
      slots.onGrant(grant);
      this.#manager.enqueue(taskRuns, objectKey(grant.namespace, grant.name));
    };
    await admission.start(onGrant, signal);
    await this.#manager.lead(signal);
  }

  /** Why the process is not ready; undefined when it is. */
  problem(): string | undefined {
    return this.#manager.problem();
  }

  /** What is well enough to be ready, and yet to be known. */
  notes(): string[] {
    return this.#deps.owners.refusals();
  }

  /** Why only a restart can help; undefined when all is well. */
  stuck(): string | undefined {
    return this.#manager.stuck();
  }

  /** What has no owner becomes ours, and then begins; where another release acts, Events say so. */
  #onUnowned(namespace: string, created: KubeObject | undefined): void {
    const { owners } = this.#deps;
    owners.want(namespace);
    if (!created?.apiVersion?.startsWith(`${group}/`)) return;
    const event = owners.refusalEvent(namespace);
    if (event) this.#manager.record(created, event);
  }

  /** What waits there was applied before that was known. */
  #sayUnclaimed(namespace: string): void {
    const { owners, runs } = this.#deps;
    let told = 0;
    for (const run of runs.list()) {
      if (run.metadata.namespace !== namespace || run.status?.phase !== undefined) continue;
      const event = told++ < 10 && owners.refusalEvent(namespace);
      if (!event) return;
      this.#manager.record(run, event);
    }
  }

  /** The slots of deleted runs among them are released once their containers are gone. */
  #adopt(holders: readonly Grant[]): void {
    this.#deps.slots.adopt(holders);
    for (const { namespace, name } of holders) this.#manager.enqueue(taskRuns, objectKey(namespace, name));
  }

  /**
   * The queues of a namespace were rebuilt: a run that starts or goes on may have lost its slot, or waits to
   * confirm it.
   */
  #enqueueRunsWithSlots(namespace: string): void {
    for (const run of this.#deps.runs.list()) {
      const { phase } = run.status ?? {};
      const isPending = phase === "Starting" || phase === "Queued" || resumes(run);
      if (run.metadata.namespace === namespace && isPending) this.#manager.enqueue(taskRuns, keyOf(run));
    }
  }
}
