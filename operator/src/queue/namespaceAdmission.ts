/**
 * Admission in one namespace.
 *
 *   closed ─(rebuild: new epoch, read the cluster, load, switch)─► open
 *      ▲                                                            │
 *      └──────────────── any error, connection lost ◄───────────────┘
 *
 * - Changes (enqueue, remove, release, limits) are recorded first and sent by one loop, only while open. They
 *   stay recorded until Redis has answered, so that nothing is lost while closed.
 * - Of a run's enqueue and remove the last one counts. Every change may be repeated.
 * - While closed, nothing is granted or confirmed. A rebuild begins its epoch in Redis first, from which
 *   moment older terms and epochs are refused, and reads the cluster after that.
 * - A slot that this process has confirmed counts as firm in a rebuild: its Job may be on the way. What
 *   whileHeld does has ended before a rebuild reads the cluster.
 */
import type { ClosedAdmission, Grant, PendingRun, QueueGrant, StartRoom } from "./admission.ts";
import type { AdmissionSource, Holder, QueueLimit } from "./clusterState.ts";
import { slotId } from "./keys.ts";
import { FencedError, type Scripts } from "./scripts.ts";
import { batchSize, NamespaceSemaphore } from "./semaphore.ts";
import { type Drift, type Sweep, sweepSlots } from "./sweeper.ts";

/** Admission is closed for now: the answer is not known; ask again later. */
export class AdmissionClosedError extends Error {
  override readonly name = "AdmissionClosedError";
}

/** Numbers since the process began. */
export interface AdmissionStats {
  grants: number;
  rebuilds: number;
  driftReleased: number;
  driftAdded: number;
}

interface NamespaceDeps {
  stats: AdmissionStats;
  scripts: Scripts;
  source: AdmissionSource;
  room: StartRoom;
  /** Begins the names of its keys. */
  installation: string;
  term: number;
  signal: AbortSignal;
  onGrant(grant: Grant): void;
  /** `error`: why. After a FencedError it stays closed. */
  onClosed(namespace: string, error: unknown): void;
  onOpen(namespace: string): void;
  /** Bounds how many namespaces are rebuilt at once. */
  limit<T>(task: () => Promise<T>): Promise<T>;
  random(): number;
  /** Milliseconds since the epoch. */
  clock(): number;
}

const baseDelayMs = 50;
const maxDelayMs = 10_000;

export class NamespaceAdmission {
  readonly #namespace: string;
  readonly #deps: NamespaceDeps;
  /** Defined while open. */
  #semaphore: NamespaceSemaphore | undefined;
  /** Defined while closed. */
  #closed: ClosedAdmission | undefined;
  /** Recorded enqueues and removes, by uid; null: remove. */
  readonly #wanted = new Map<string, PendingRun | null>();
  readonly #released = new Map<string, Grant>();
  readonly #queueLimits = new Map<string, QueueLimit>();
  #namespaceLimit: number | null | undefined;
  readonly #confirmed = new Set<string>();
  /** What holders do in this moment (whileHeld). */
  readonly #acts = new Set<Promise<unknown>>();
  readonly #suspects = new Set<string>();
  /** Something is recorded that the loop has not seen. */
  #work = false;
  #looping = false;
  #fenced = false;
  #failures = 0;
  #endPause: () => void = () => undefined;
  #lookAgain: NodeJS.Timeout | undefined;
  /** Resolved when the turn that has not begun yet ends. */
  #nextTurn = Promise.withResolvers<void>();

  constructor(namespace: string, deps: NamespaceDeps) {
    this.#namespace = namespace;
    this.#deps = deps;
    this.#closed = { since: deps.clock() };
    const end = (): void => {
      clearTimeout(this.#lookAgain);
      this.#endPause();
    };
    deps.signal.addEventListener("abort", end, { once: true });
  }

  get isOpen(): boolean {
    return this.#semaphore !== undefined;
  }

  get closed(): Readonly<ClosedAdmission> | undefined {
    return this.#closed;
  }

  /** Resolves when the turn that sends it has ended; while closed, at once. */
  enqueue(run: PendingRun): Promise<void> {
    this.#wanted.set(run.uid, run);
    this.poke();
    return this.isOpen ? this.#nextTurn.promise : Promise.resolve();
  }

  remove(uid: string): void {
    this.#wanted.set(uid, null);
    this.poke();
  }

  release(grant: Grant): void {
    this.#confirmed.delete(slotId(grant));
    this.#released.set(slotId(grant), grant);
    this.#deps.room.released(grant);
    this.poke();
  }

  setQueueLimit(limit: QueueLimit): void {
    this.#queueLimits.set(limit.name, limit);
    this.poke();
  }

  setNamespaceLimit(limit: number | null): void {
    this.#namespaceLimit = limit;
    this.poke();
  }

  async confirm(grant: Grant): Promise<boolean> {
    if (this.#released.has(slotId(grant))) return false;
    const held = await this.#whileOpen((semaphore) => semaphore.confirm(grant));
    if (held) this.#confirmed.add(slotId(grant));
    return held;
  }

  /** Known as under way before Redis is asked: a rebuild that begins after the answer waits for it. */
  whileHeld<T>(grant: Grant, act: () => Promise<T>): Promise<T | undefined> {
    const acting = this.confirm(grant).then((isHeld) => (isHeld ? act() : undefined));
    const ended = acting.catch(() => undefined).finally(() => this.#acts.delete(ended));
    this.#acts.add(ended);
    return acting;
  }

  /** Compares Redis and the cluster; see sweeper.ts. */
  sweep({ inCluster, readHolder }: Pick<Sweep, "inCluster" | "readHolder">): Promise<Drift> {
    return this.#whileOpen(async (semaphore) => {
      const drift = await sweepSlots({
        namespace: this.#namespace,
        inRedis: await semaphore.holders(),
        inCluster,
        suspects: this.#suspects,
        readHolder,
        release: async (grant) => this.release(grant),
        add: (holders) => semaphore.loadHolders(holders),
      });
      this.#deps.stats.driftReleased += drift.released;
      this.#deps.stats.driftAdded += drift.added;
      return drift;
    });
  }

  /** Closes; a rebuild opens it again as soon as possible. */
  close(error: unknown): void {
    if (this.#semaphore) this.#setClosed(error);
    this.poke();
  }

  #setClosed(error: unknown): void {
    this.#deps.onClosed(this.#namespace, error);
    this.#semaphore = undefined;
    this.#fenced ||= error instanceof FencedError;
    this.#closed = { since: this.#closed?.since ?? this.#deps.clock(), error };
  }

  /** Starts the loop if it does not run. `now`: also ends its pause after a failure. */
  poke(now = false): void {
    this.#work = true;
    if (now) this.#endPause();
    if (this.#looping) return;
    this.#looping = true;
    // Changes of the same turn of the event loop are sent together.
    setImmediate(() => void this.#loop());
  }

  async #loop(): Promise<void> {
    while (this.#work && !this.#fenced && !this.#deps.signal.aborted) {
      this.#work = false;
      const turn = this.#nextTurn;
      this.#nextTurn = Promise.withResolvers();
      try {
        await this.#turn();
        this.#failures = 0;
      } catch (error) {
        this.#setClosed(error);
        this.#work = true;
        turn.resolve();
        await this.#pause();
      }
      turn.resolve();
    }
    this.#looping = false;
    this.#nextTurn.resolve();
    this.#nextTurn = Promise.withResolvers();
  }

  async #turn(): Promise<void> {
    this.#semaphore ??= await this.#deps.limit(() => this.#rebuild());
    const semaphore = this.#semaphore;
    await this.#send(semaphore);
    if ((await this.#admit(semaphore)) === "more") this.#work = true;
  }

  /** Goes once over the lanes that are ready. */
  async #admit(semaphore: NamespaceSemaphore): Promise<"all" | "more"> {
    const { room } = this.#deps;
    let at = 1;
    do {
      const { most, queues, againAt } = room.now(this.#namespace);
      this.#lookAgainAt(againAt);
      // Also without room: runs that resume need none.
      const { grants, next } = await semaphore.admit({ most: Math.max(most, 0), queues, at });
      for (const grant of grants) this.#grant(grant);
      at = next;
    } while (at > 1);
    return at === 1 ? "more" : "all";
  }

  #lookAgainAt(time: number | undefined): void {
    clearTimeout(this.#lookAgain);
    if (time === undefined || this.#deps.signal.aborted) return;
    this.#lookAgain = setTimeout(() => this.poke(), Math.max(0, time - Date.now()));
    this.#lookAgain.unref();
  }

  /** A run that was removed meanwhile does not release its slot: released here. */
  #grant({ queue, ...grant }: QueueGrant): void {
    this.#deps.stats.grants++;
    this.#deps.room.granted({ ...grant, queue });
    if (this.#wanted.get(grant.uid) === null) this.release(grant);
    else this.#deps.onGrant(grant);
  }

  async #send(semaphore: NamespaceSemaphore): Promise<void> {
    const queues = [...this.#queueLimits.values()];
    const namespace = this.#namespaceLimit;
    if (queues.length > 0 || namespace !== undefined) {
      await semaphore.setLimits({ namespace, queues });
      for (const limit of queues) forget(this.#queueLimits, limit.name, limit);
      if (this.#namespaceLimit === namespace) this.#namespaceLimit = undefined;
    }
    for (const batch of batches(this.#released)) {
      await semaphore.release(batch.map(([, grant]) => grant));
      for (const [id, grant] of batch) forget(this.#released, id, grant);
    }
    for (const batch of batches(this.#wanted)) {
      const runs = batch.flatMap(([, run]) => run ?? []);
      const removed = batch.filter(([, run]) => run === null).map(([uid]) => uid);
      await semaphore.remove(removed);
      await semaphore.enqueue(runs);
      for (const [uid, run] of batch) forget(this.#wanted, uid, run);
    }
  }

  async #rebuild(): Promise<NamespaceSemaphore> {
    const { scripts, source, installation, term, onOpen } = this.#deps;
    const semaphore = new NamespaceSemaphore(scripts, installation, this.#namespace, term);
    await semaphore.begin();
    await Promise.all(this.#acts);
    // The cluster is read after this moment: its limits are newer than the recorded ones.
    this.#queueLimits.clear();
    this.#namespaceLimit = undefined;
    await semaphore.setLimits(await source.limits(this.#namespace));
    const runs = await source.runs(this.#namespace);
    const holders = runs.holders.map((holder) => this.#firm(holder));
    const ids = new Set(holders.map(slotId));
    for (const id of this.#confirmed) if (!ids.has(id)) this.#confirmed.delete(id);
    await semaphore.loadHolders(holders.sort((a, b) => Number(a.tentative) - Number(b.tentative)));
    await semaphore.enqueue(runs.pending);
    await semaphore.open();
    this.#suspects.clear();
    this.#closed = undefined;
    this.#deps.stats.rebuilds++;
    onOpen(this.#namespace);
    return semaphore;
  }

  #firm(holder: Holder): Holder {
    return { ...holder, tentative: holder.tentative && !this.#confirmed.has(slotId(holder)) };
  }

  /** An answer counts only if the namespace was open, in one epoch, from the question to the answer. */
  async #whileOpen<T>(ask: (semaphore: NamespaceSemaphore) => Promise<T>): Promise<T> {
    const semaphore = this.#semaphore;
    let cause: unknown;
    if (semaphore) {
      try {
        const answer = await ask(semaphore);
        if (this.#semaphore === semaphore) return answer;
      } catch (error) {
        cause = error;
        if (this.#semaphore === semaphore) this.close(error);
      }
    }
    this.poke();
    throw new AdmissionClosedError(`admission in namespace ${this.#namespace} is closed`, { cause });
  }

  async #pause(): Promise<void> {
    if (this.#fenced || this.#deps.signal.aborted) return;
    const most = Math.min(baseDelayMs * 2 ** Math.min(this.#failures++, 20), maxDelayMs);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#deps.random() * most);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Deletes what was sent, unless something newer was recorded meanwhile. */
function forget<T>(map: Map<string, T>, key: string, sent: T): void {
  if (map.get(key) === sent) map.delete(key);
}

function* batches<T>(map: Map<string, T>): Generator<[string, T][]> {
  const entries = [...map];
  for (let at = 0; at < entries.length; at += batchSize) yield entries.slice(at, at + batchSize);
}
