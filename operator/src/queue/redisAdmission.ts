/**
 * Admission by semaphores in Redis, for the leader: one NamespaceAdmission for each namespace, created at its
 * first use.
 *
 * - `start` begins a term: every namespace is closed, and rebuilt in an epoch of this term at its first use.
 *   It does not wait for Redis. A term ends with its signal; nothing is granted or confirmed after that.
 * - `release` and `remove` return when they are recorded, `enqueue` after the first attempt to admit the run.
 *   They are sent in the background and survive a loss of Redis. Grants come through onGrant, at any time.
 * - Of a namespace that was not used in this term only an enqueue is recorded: its rebuild reads the rest.
 * - `confirm`, `whileHeld` and `sweep` throw AdmissionClosedError while their namespace is closed.
 * - A term that a younger one has fenced grants nothing any more; `onFenced` is called once for each
 *   namespace.
 */
import type { Redis } from "ioredis";
import pLimit from "p-limit";
import type { Admission, ClosedAdmission, Grant, PendingRun, StartRoom } from "./admission.ts";
import type { AdmissionSource, Holder, QueueLimit } from "./clusterState.ts";
import { keysOf } from "./keys.ts";
import { AdmissionClosedError, type AdmissionStats, NamespaceAdmission } from "./namespaceAdmission.ts";
import { FencedError, Scripts } from "./scripts.ts";
import type { Drift, Sweep } from "./sweeper.ts";

interface AdmissionLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface RedisAdmissionOptions {
  /** From connectRedis. The caller closes it. */
  redis: Redis;
  source: AdmissionSource;
  /** Default: without bounds. */
  room?: StartRoom;
  /** Begins the names of all keys: another installation at this Redis has its own. */
  installation: string;
  /** Read at `start`: the lease's transition count. */
  term(): number;
  log: AdmissionLog;
  /** `term`: the one that Redis knows. */
  onFenced?(namespace: string, term: number): void;
  /** The namespace was rebuilt: a slot that was held before may not be held any more. */
  onOpen?(namespace: string): void;
  /** In [0, 1). */
  random?(): number;
}

const rebuildsAtOnce = 4;

const unbounded: StartRoom = {
  now: () => ({ most: Number.POSITIVE_INFINITY, queues: new Map() }),
  granted: () => undefined,
  released: () => undefined,
  drop: () => undefined,
};

export class RedisAdmission implements Admission {
  readonly #options: RedisAdmissionOptions;
  readonly #scripts: Scripts;
  readonly #limit = pLimit(rebuildsAtOnce);
  readonly #namespaces = new Map<string, NamespaceAdmission>();
  /** Ends the work for one namespace. */
  readonly #ends = new Map<string, AbortController>();
  readonly #stats: AdmissionStats = { grants: 0, rebuilds: 0, driftReleased: 0, driftAdded: 0 };
  #term = 0;
  #signal = AbortSignal.abort();
  #onGrant: (grant: Grant) => void = () => undefined;

  constructor(options: RedisAdmissionOptions) {
    this.#options = options;
    this.#scripts = new Scripts(options.redis);
    options.redis.on("error", (error) =>
      options.log.warn({ error: String(error) }, "Redis cannot be reached"),
    );
    options.redis.on("close", () =>
      this.#each((one) => one.close(new Error("the connection to Redis closed"))),
    );
    options.redis.on("ready", () => this.#each((one) => one.poke(true)));
  }

  async start(onGrant: (grant: Grant) => void, signal: AbortSignal): Promise<void> {
    this.#term = this.#options.term();
    this.#onGrant = onGrant;
    this.#signal = signal;
    this.#namespaces.clear();
    this.#ends.clear();
    const { redis, log } = this.#options;
    if (redis.status !== "wait") return;
    // The client goes on trying by itself.
    await redis.connect().catch((error) => log.warn({ error: String(error) }, "Redis cannot be reached yet"));
  }

  async enqueue(run: PendingRun): Promise<void> {
    await this.#of(run.namespace)?.enqueue(run);
  }

  async confirm(grant: Grant): Promise<boolean> {
    return this.#open(grant.namespace).confirm(grant);
  }

  async whileHeld<T>(grant: Grant, act: () => Promise<T>): Promise<T | undefined> {
    return this.#open(grant.namespace).whileHeld(grant, act);
  }

  async release(grant: Grant): Promise<void> {
    this.#known(grant.namespace)?.release(grant);
  }

  async remove(namespace: string, uid: string): Promise<void> {
    this.#known(namespace)?.remove(uid);
  }

  /** The effective limit of a queue changed. */
  setQueueLimit(namespace: string, limit: QueueLimit): void {
    this.#known(namespace)?.setQueueLimit(limit);
  }

  /** null: none. */
  setNamespaceLimit(namespace: string, limit: number | null): void {
    this.#known(namespace)?.setNamespaceLimit(limit);
  }

  /** There may be room for more. */
  roomChanged(namespace: string): void {
    this.#known(namespace)?.poke();
  }

  /** Repairs differences between Redis and the cluster; to be called periodically. */
  async sweep(
    namespace: string,
    inCluster: readonly Holder[],
    readHolder: Sweep["readHolder"],
  ): Promise<Drift> {
    return this.#open(namespace).sweep({ inCluster, readHolder });
  }

  /** Deletes all that Redis holds of a namespace that was deleted. */
  async drop(namespace: string): Promise<void> {
    if (this.#signal.aborted) return;
    this.#ends.get(namespace)?.abort();
    this.#ends.delete(namespace);
    this.#namespaces.delete(namespace);
    this.#options.room?.drop(namespace);
    await this.#scripts.call("dropNamespace", keysOf(this.#options.installation, namespace), [
      this.#term,
      "",
      0,
    ]);
  }

  stats(): Readonly<AdmissionStats> {
    return this.#stats;
  }

  isOpen(namespace: string): boolean {
    return this.#namespaces.get(namespace)?.isOpen ?? false;
  }

  /** Why nothing is admitted in a namespace that was used in this term; undefined while it is open. */
  closed(namespace: string): ClosedAdmission | undefined {
    return this.#known(namespace)?.closed;
  }

  /** Namespaces that are closed. */
  allClosed(): [string, ClosedAdmission][] {
    if (this.#signal.aborted) return [];
    return [...this.#namespaces].flatMap(([namespace, { closed }]) => (closed ? [[namespace, closed]] : []));
  }

  #open(namespace: string): NamespaceAdmission {
    const one = this.#of(namespace);
    if (!one)
      throw new AdmissionClosedError(`admission in namespace ${namespace} is closed: no term has begun`);
    return one;
  }

  #known(namespace: string): NamespaceAdmission | undefined {
    return this.#signal.aborted ? undefined : this.#namespaces.get(namespace);
  }

  /** Undefined between two terms: the next one reads everything from the cluster. */
  #of(namespace: string): NamespaceAdmission | undefined {
    if (this.#signal.aborted) return undefined;
    const existing = this.#namespaces.get(namespace);
    if (existing) return existing;
    const { source, room = unbounded, installation, log, onFenced, onOpen, random } = this.#options;
    const term = this.#term;
    const ends = new AbortController();
    const signal = AbortSignal.any([this.#signal, ends.signal]);
    this.#ends.set(namespace, ends);
    const created = new NamespaceAdmission(namespace, {
      scripts: this.#scripts,
      source,
      room,
      installation,
      term,
      signal,
      onGrant: (grant) => !signal.aborted && this.#onGrant(grant),
      stats: this.#stats,
      onOpen: () => {
        log.info({ namespace, term }, "admission is open");
        onOpen?.(namespace);
      },
      onClosed: (_, error) => {
        log.warn({ namespace, term, error: String(error) }, "admission is closed");
        if (error instanceof FencedError) onFenced?.(namespace, error.term);
      },
      limit: this.#limit,
      random: random ?? Math.random,
      clock: Date.now,
    });
    this.#namespaces.set(namespace, created);
    return created;
  }

  #each(act: (one: NamespaceAdmission) => void): void {
    if (this.#signal.aborted) return;
    for (const one of this.#namespaces.values()) act(one);
  }
}
