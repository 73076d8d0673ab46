/**
 * Runs controllers: owns the caches, the work queues, the Events and the periodic work of one process.
 *
 *   standing by ──lead(signal)──► leading: all keys are added, then changes ──signal──► standing by
 *
 * Every process keeps its caches warm, so that a new leader begins at once. Only the leader reconciles,
 * records Events and does periodic work, in namespaces that are owned; `leads` is asked here and nowhere
 * else. A process that stands by queues nothing: a leader begins with every key.
 */
import type { Logger } from "pino";
import { every } from "../../lib/periodic.ts";
import type { Source } from "../cache/reflector.ts";
import type { KubeClient } from "../client/client.ts";
import type { KubeObject } from "../resources.ts";
import { type AnyInformer, type CacheDeclarations, type Caches, openCaches } from "./caches.ts";
import type { Controller, ObjectEvent, WatchContext } from "./controller.ts";
import { EventRecorder } from "./eventRecorder.ts";
import { done } from "./requeue.ts";
import { WorkQueue } from "./workQueue.ts";

interface ManagerOptions<C extends CacheDeclarations> {
  client: Source & Pick<KubeClient, "create" | "patch">;
  caches: C;
  /** That are watched; empty: all. */
  namespaces: readonly string[];
  /** The source of the Events. */
  component: string;
  log: Logger;
  /** Whether objects in this namespace are acted on; without it, all are. `begin` when that changes. */
  owns?: (namespace: string) => boolean;
  /** There is an object in a namespace that is not owned. `created`: it is new. */
  onUnowned?: (namespace: string, created?: KubeObject) => void;
  /** Keys of one controller that are reconciled at once. */
  concurrency?: number;
  /** The same for steps that may hang. */
  slowConcurrency?: number;
  /** A key that failed comes again after baseDelayMs, doubled with each failure up to maxDelayMs. */
  baseDelayMs?: number;
  maxDelayMs?: number;
}

/** Work that the leader repeats. */
export interface PeriodicWork<D> {
  everyMs: number;
  /** Before the first time; everyMs unless set. */
  firstMs?: number;
  /** What is logged when it fails: a sentence. */
  failure: string;
  /** Called once for each term of leadership: what the work remembers ends with the term. */
  begin: (deps: D) => (signal: AbortSignal) => Promise<unknown>;
}

interface ControllerStats {
  controller: string;
  /** Keys that wait to be reconciled. */
  depth: number;
  reconciles: number;
  errors: number;
}

interface Running {
  controller: Controller<never>;
  queue: WorkQueue;
  initialKeys: () => Iterable<string>;
}

/** A watch hears a bookmark about every minute. */
const silenceLimitMs = 5 * 60_000;

export class Manager<C extends CacheDeclarations> {
  /** Filled by `sync`. */
  readonly caches: Caches<C>;
  readonly #options: ManagerOptions<C>;
  readonly #informers: readonly AnyInformer[];
  readonly #recorder: EventRecorder;
  readonly #running: Running[] = [];
  readonly #periodic: ((signal: AbortSignal) => Promise<void>)[] = [];
  #leading = false;

  constructor(options: ManagerOptions<C>) {
    this.#options = options;
    this.caches = openCaches(options.caches, options);
    this.#informers = Object.values(this.caches);
    this.#recorder = new EventRecorder(options);
  }

  add<D>(deps: D, ...controllers: Controller<D>[]): void {
    for (const controller of controllers) {
      const queue = this.#newQueue(controller.name, async (key, lane) => {
        // It may have been another's when the key's turn came.
        const namespace = namespaceOf(key);
        const isOurs = namespace === undefined || this.leads(namespace);
        return isOurs ? controller.reconcile(deps, key, lane) : done;
      });
      this.#running.push({ controller, queue, initialKeys: () => controller.initialKeys(deps) });
      for (const watch of controller.watches) watch(deps, this.#contextOf(queue));
    }
  }

  addPeriodic<D>(deps: D, ...works: PeriodicWork<D>[]): void {
    const { log } = this.#options;
    for (const { everyMs, firstMs, failure, begin } of works)
      this.#periodic.push((signal) => every(everyMs, { signal, log, failure, firstMs }, begin(deps)));
  }

  /** For causes outside of the cluster, which no watch sees. */
  enqueue(controller: Controller<never>, key: string): void {
    const found = this.#running.find((one) => one.controller === controller);
    if (!found) throw new Error(`controller ${controller.name} was not added to the manager`);
    this.#contextOf(found.queue).add(key);
  }

  /** Whether this process acts on objects of the namespace. */
  leads(namespace: string): boolean {
    return this.#leading && (this.#options.owns?.(namespace) ?? true);
  }

  /** All objects of a namespace that is owned from now on are to be looked at. */
  begin(namespace: string): void {
    if (!this.leads(namespace)) return;
    for (const { queue, initialKeys } of this.#running)
      for (const key of initialKeys()) if (namespaceOf(key) === namespace) queue.add(key);
  }

  record(object: KubeObject, { type, reason, message }: ObjectEvent): void {
    this.#recorder.record(object, type, reason, message);
  }

  /** Fills the caches and keeps them fresh; resolves when they are filled. */
  async sync(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.start(signal)));
  }

  /** The leader's work, until the signal is aborted. Resolves when what had begun has ended. */
  async lead(signal: AbortSignal): Promise<void> {
    await this.sync(signal);
    this.#leading = true;
    try {
      for (const { queue, initialKeys } of this.#running)
        for (const key of initialKeys()) this.#whileLeading(key, () => queue.add(key));
      const queues = this.#running.map(({ queue }) => queue.run(signal));
      await Promise.all([...queues, ...this.#periodic.map((work) => work(signal))]);
    } finally {
      this.#leading = false;
      await this.#recorder.flush();
    }
  }

  /** Why the process is not ready; undefined when it is. */
  problem(): string | undefined {
    return this.#informers.every(({ synced }) => synced) ? undefined : "the caches are not filled yet";
  }

  /** Why only a restart can help: a watch has been silent for too long. Undefined when all is well. */
  stuck(): string | undefined {
    const quietest = Math.min(...this.#informers.map(({ lastActivityAt }) => lastActivityAt || Date.now()));
    return Date.now() - quietest > silenceLimitMs ? "a watch has been silent for five minutes" : undefined;
  }

  /** Events that could not be sent. */
  get eventsDropped(): number {
    return this.#recorder.dropped;
  }

  stats(): ControllerStats[] {
    return this.#running.map(({ controller: { name }, queue: { depth, processed, retries } }) => ({
      controller: name,
      depth,
      reconciles: processed,
      errors: retries,
    }));
  }

  #newQueue(name: string, reconcile: ConstructorParameters<typeof WorkQueue>[0]): WorkQueue {
    const {
      log,
      concurrency = 16,
      slowConcurrency = 8,
      baseDelayMs = 200,
      maxDelayMs = 60_000,
    } = this.#options;
    return new WorkQueue(reconcile, {
      concurrency,
      slowConcurrency,
      baseDelayMs,
      maxDelayMs,
      onError: (key, error, failures, delayMs) =>
        log.warn({ err: error, [name]: key, failures, delayMs }, "reconciling failed; trying again"),
    });
  }

  #contextOf(queue: WorkQueue): WatchContext {
    return {
      subscribe: (informer, handler) => {
        informer.on("change", (key, before, after) => {
          const created = before === undefined ? (after as KubeObject | undefined) : undefined;
          this.#whileLeading(key, () => handler(key, before, after), created);
        });
      },
      add: (key) => this.#whileLeading(key, () => queue.add(key)),
      record: (object, { type, reason, message }) => this.#recorder.record(object, type, reason, message),
    };
  }

  #whileLeading(key: string, act: () => void, created?: KubeObject): void {
    const namespace = namespaceOf(key);
    if (namespace === undefined ? this.#leading : this.leads(namespace)) act();
    else if (this.#leading && namespace !== undefined) this.#options.onUnowned?.(namespace, created);
  }
}

/** Undefined for the key of what is in no namespace. */
function namespaceOf(key: string): string | undefined {
  const slash = key.indexOf("/");
  return slash < 0 ? undefined : key.slice(0, slash);
}
