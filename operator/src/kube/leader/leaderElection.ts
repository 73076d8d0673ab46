/**
 * One leader among the replicas, by a record that the leader renews.
 *
 *   candidate ─(record is free, or not renewed for leaseMs)─► leader ─(no renewal for renewDeadlineMs)─► lost
 *       ▲                                                       │ stop                                     │
 *       └───────────────────────────────────────────────────────┼─ (its work has ended) ◄──────────────────┘
 *                                                               ▼
 *                                              (its work has ended) ─► released: the next one need not wait
 *
 * - Whether we lead depends on the clock, not on a flag: a renewal counts from before it was sent, and is
 *   valid for renewDeadlineMs, which is well below the leaseMs that candidates wait. A process that was
 *   suspended for longer finds out at its first look at the clock: call `assertLeader` before every write.
 * - The clocks of other machines do not matter: a candidate measures how long the record stays the same.
 * - `raiseTerm` ends a term that a reader refuses as too old (a restored etcd counts again), and begins one
 *   above what that reader knows. Who holds the lease still decides who leads.
 * - `term` rises with every acquisition. A record that was deleted is created again with a term above all
 *   earlier ones (seconds since 2026), so that a reader which refuses older terms accepts the new leader.
 */
import type { Logger } from "pino";
import { pause } from "../../lib/time.ts";
import type { LeaseClaim, LeaseRecord, LeaseStore } from "./leaseStore.ts";

export interface LeaderElectionOptions {
  store: LeaseStore;
  /** Unique to this process, e.g. `<pod name>_<random>`. */
  identity: string;
  /**
   * The work of the leader. The signal is aborted when it must end. The promise must not settle before the
   * work has ended: the lease is released and another term begun only after that. If it rejects, so does
   * `run`.
   */
  onStarted: (signal: AbortSignal, term: number) => Promise<void>;
  /** Leadership was lost, not released by a stop. The signal is aborted already. */
  onLost?: (reason: string) => void;
  log: Logger;
  /** Default 15,000. */
  leaseMs?: number;
  /** Default 10,000. */
  renewDeadlineMs?: number;
  /** Default 2,000. */
  retryMs?: number;
  /** How long a stop waits for the work to end; after that the lease is left to expire. Default 20,000. */
  stopTimeoutMs?: number;
  /** A clock that cannot be set. Default performance.now. */
  monotonicMs?: () => number;
  /** Default Date.now. Only to notice that the machine slept, which the monotonic clock does not count. */
  wallMs?: () => number;
}

export class NotLeaderError extends Error {
  override name = "NotLeaderError";
}

interface Moment {
  monotonic: number;
  wall: number;
}

interface Leadership {
  term: number;
  record: LeaseRecord;
  renewed: Moment;
  /** Aborted when the work must end. */
  controller: AbortController;
  /** Set when leadership was lost. */
  lostBecause?: string;
}

/** Terms of new records count from here. */
const termEpochMs = Date.UTC(2026, 0, 1);
/** A Lease counts in 32 bits. */
const greatestTerm = 2 ** 31 - 1;

export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #leaseMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryMs: number;
  /** Time limit of one read or write: a request that hangs must leave time for another one. */
  readonly #attemptMs: number;
  #leadership: Leadership | undefined;
  /** The record as a candidate last read it, and since when it has been the same. */
  #observed: { version: string; since: number } | undefined;
  /** The next term is at least this. */
  #leastTerm = 1;

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2_000;
    this.#attemptMs = Math.floor(this.#renewDeadlineMs / 3);
    if (!(this.#retryMs < this.#renewDeadlineMs && this.#renewDeadlineMs < this.#leaseMs)) {
      throw new RangeError("leader election needs retryMs < renewDeadlineMs < leaseMs");
    }
  }

  /** The term that we lead, if we do. */
  get term(): number | undefined {
    return this.isLeader() ? this.#leadership?.term : undefined;
  }

  isLeader(): boolean {
    const leadership = this.#leadership;
    if (!leadership || leadership.lostBecause !== undefined) return false;
    if (this.#remainingMs(leadership) > 0) return true;
    this.#lose(leadership, "the lease could not be renewed in time");
    return false;
  }

  /** Gives up the present term for one above `known`, unless it is above it already. */
  raiseTerm(known: number): void {
    const leadership = this.#leadership;
    if (!leadership || leadership.term > known || !this.isLeader()) return;
    this.#leastTerm = Math.min(known + 1, greatestTerm);
    this.#lose(leadership, `term ${leadership.term} is too low: term ${known} is known already`);
  }

  assertLeader(): void {
    if (!this.isLeader()) throw new NotLeaderError("this process is not the leader (any more)");
  }

  /** Competes and leads until the signal is aborted; then ends the work, releases the lease and returns. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const leadership = await this.#tryToAcquire(signal);
      if (leadership) await this.#lead(leadership, signal);
      else await pause(this.#candidatePauseMs(), signal);
    }
  }

  async #tryToAcquire(signal: AbortSignal): Promise<Leadership | undefined> {
    const { store, log } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#attemptMs)]);
    try {
      const found = await store.read(limit);
      if (found && this.#isTaken(found)) return undefined;
      const before = this.#now();
      const firstTerm = Math.max(1, Math.floor((before.wall - termEpochMs) / 1000));
      const term = Math.max(found ? found.transitions + 1 : firstTerm, this.#leastTerm);
      const record = await store.write(this.#claim(term, true), found, limit);
      return record && { term, record, renewed: before, controller: new AbortController() };
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, "leader election: the lease cannot be read or written");
      return undefined;
    }
  }

  #isTaken(record: LeaseRecord): boolean {
    if (this.#observed?.version !== record.version) {
      this.#observed = { version: record.version, since: this.#now().monotonic };
    }
    // Our own record: of an earlier term, which has ended, or of a claim whose answer was lost.
    if (record.holder === "" || record.holder === this.#options.identity) return false;
    return this.#unchangedMs() < this.#leaseMs;
  }

  /** Until the next try: one every retryMs, and one as soon as the record has expired. */
  #candidatePauseMs(): number {
    const regular = this.#retryMs * (1 + Math.random() / 5);
    const expiresIn = this.#leaseMs - this.#unchangedMs();
    return expiresIn > 0 ? Math.min(regular, expiresIn + (Math.random() * this.#retryMs) / 10) : regular;
  }

  /** How long the record has been the same. */
  #unchangedMs(): number {
    return this.#observed ? this.#now().monotonic - this.#observed.since : Number.NEGATIVE_INFINITY;
  }

  async #lead(leadership: Leadership, stop: AbortSignal): Promise<void> {
    const { onStarted, log } = this.#options;
    const { controller, term } = leadership;
    this.#leadership = leadership;
    log.info({ term }, "leading");
    const ended = new AbortController();
    let failure: { error: unknown } | undefined;
    const work = Promise.resolve()
      .then(() => onStarted(controller.signal, term))
      .catch((error: unknown) => {
        // After the signal the work may end with an error.
        if (!controller.signal.aborted) failure = { error };
      })
      .finally(() => {
        if (failure || controller.signal.aborted) ended.abort();
        else controller.signal.addEventListener("abort", () => ended.abort(), { once: true });
      });
    const onStop = (): void => controller.abort(stop.reason);
    if (stop.aborted) onStop();
    stop.addEventListener("abort", onStop, { once: true });
    await this.#keep(leadership, stop, ended.signal);
    stop.removeEventListener("abort", onStop);
    if (leadership.lostBecause !== undefined) await work;
    else if (ended.signal.aborted) await this.#release(leadership);
    else log.warn({ term }, "the leader's work did not end in time; the lease is left to expire");
    this.#leadership = undefined;
    if (failure) throw failure.error;
  }

  /** Renews until leadership is lost, or the work has ended, or a stop has waited long enough for that. */
  async #keep(leadership: Leadership, stop: AbortSignal, ended: AbortSignal): Promise<void> {
    const wake = AbortSignal.any([ended, leadership.controller.signal]);
    let stopBy = Number.POSITIVE_INFINITY;
    while (!ended.aborted && this.isLeader()) {
      if (stop.aborted) {
        stopBy = Math.min(stopBy, this.#now().monotonic + (this.#options.stopTimeoutMs ?? 20_000));
        if (this.#now().monotonic >= stopBy) return;
      }
      const stopsIn = stopBy - this.#now().monotonic;
      // No longer than the time that is left, so that a deadline is noticed when it comes.
      await pause(
        Math.min(this.#retryMs, stopsIn, this.#remainingMs(leadership)),
        stop.aborted ? ended : wake,
      );
      if (ended.aborted || !this.isLeader()) return;
      await this.#renew(leadership);
    }
  }

  async #renew(leadership: Leadership): Promise<void> {
    const { store, log } = this.#options;
    const remaining = this.#remainingMs(leadership);
    const limit = new AbortController();
    const late = (): void => limit.abort(new DOMException("no answer in time", "TimeoutError"));
    const attemptLimit = setTimeout(late, Math.min(remaining, this.#attemptMs));
    const deadline = setTimeout(() => this.isLeader(), remaining);
    try {
      const before = this.#now();
      const record =
        (await store.write(this.#claim(leadership.term, false), leadership.record, limit.signal)) ??
        (await this.#renewChanged(leadership, limit.signal));
      if (record && this.isLeader()) Object.assign(leadership, { record, renewed: before });
    } catch (error) {
      const remainingMs = this.#remainingMs(leadership);
      log.warn({ err: error, remainingMs }, "the lease was not renewed; trying again");
    } finally {
      clearTimeout(attemptLimit);
      clearTimeout(deadline);
    }
  }

  /** Another process wrote the record; or we did, and the answer was lost. */
  async #renewChanged(leadership: Leadership, signal: AbortSignal): Promise<LeaseRecord | undefined> {
    const { store, identity } = this.#options;
    const found = await store.read(signal);
    if (found?.holder === identity && found.transitions === leadership.term) {
      return store.write(this.#claim(leadership.term, false), found, signal);
    }
    const holder = found?.holder ? `is held by ${found.holder}` : "was released";
    this.#lose(leadership, found ? `the lease ${holder}` : "the lease was deleted");
    return undefined;
  }

  async #release(leadership: Leadership): Promise<void> {
    const { store, log } = this.#options;
    this.#leadership = undefined;
    try {
      const record = { holder: "", transitions: leadership.term, durationSeconds: 1, acquired: false };
      const done = await store.write(record, leadership.record, AbortSignal.timeout(this.#retryMs));
      if (done) log.info({ term: leadership.term }, "leadership released");
      else log.warn({ term: leadership.term }, "the lease was not released: it changed meanwhile");
    } catch (error) {
      log.warn({ err: error }, "the lease was not released and will expire");
    }
  }

  #lose(leadership: Leadership, reason: string): void {
    if (leadership.lostBecause !== undefined) return;
    leadership.lostBecause = reason;
    leadership.controller.abort(new NotLeaderError(reason));
    this.#options.log.error({ term: leadership.term, reason }, "leadership lost");
    this.#options.onLost?.(reason);
  }

  #claim(transitions: number, acquired: boolean): LeaseClaim {
    const { identity } = this.#options;
    return { holder: identity, transitions, durationSeconds: Math.ceil(this.#leaseMs / 1000), acquired };
  }

  /** Until we must stop acting as leader. */
  #remainingMs({ renewed }: Leadership): number {
    const now = this.#now();
    const elapsed = Math.max(now.monotonic - renewed.monotonic, now.wall - renewed.wall);
    return this.#renewDeadlineMs - elapsed;
  }

  #now(): Moment {
    const { monotonicMs = () => performance.now(), wallMs = Date.now } = this.#options;
    return { monotonic: monotonicMs(), wall: wallMs() };
  }
}
