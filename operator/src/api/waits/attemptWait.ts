/**
 * POST attempt/wait: an attempt's code waits for all of `on`, and for nothing else. The call is held until
 * one of them is settled and the run has a slot; then it answers which, and the slot. While none is settled
 * the run gives its slot back:
 *
 *   something is settled already      ─► answered at once; the slot is kept
 *   else WaitBegan ─► (something settles) ─► ResumeAsked ─► (the controller: Resumed) ─► answered
 *
 * No list of what is waited for is kept anywhere: a call that is cut off, by either side, is sent again and
 * goes on where the run is. `slot` is the one that the code knows to have: a call that is late names an older
 * one, and changes nothing.
 */
import type { WaitAnswer, WaitBody } from "@fairlead/protocol/runnerApi";
import { inParallel } from "../../lib/parallel.ts";
import type { Phase, TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { Problem } from "../http/problem.ts";
import type { Awaited } from "./awaited.ts";

/** How long a call is held. */
const heldMs = 25_000;
/** Results in one answer; the code asks at once for those that are left. */
const resultsAtOnce = 100;
const liveReadsAtOnce = 16;

interface AttemptWait {
  attempt: number;
  podUid: string;
  body: WaitBody;
  awaited: readonly Awaited[];
  /** Reads the run, of which the attempt must be the current one; throws a Problem when it is not. */
  load(): Promise<TaskRun>;
  /** The run as this replica's watch has seen it. */
  seen(): TaskRun | undefined;
  watch(onChange: () => void): () => void;
  /** The run afterwards, also when the event was refused: somebody else was first. Throws when it is gone. */
  apply(event: RunEvent): Promise<TaskRun>;
  result(id: string): Promise<object>;
  clock(): number;
  /** The caller has left. */
  signal: AbortSignal;
}

export async function attemptWait(wait: AttemptWait): Promise<WaitAnswer> {
  const wakes = new Wakes();
  const settled = new Settled(wait, wakes);
  const stop = wait.watch(() => wakes.wake());
  const onAbort = () => wakes.wake();
  wait.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const run = await wait.load();
    await settled.begin();
    return await follow(wait, run, settled, wakes);
  } finally {
    wait.signal.removeEventListener("abort", onAbort);
    settled.end();
    stop();
  }
}

async function follow(
  wait: AttemptWait,
  loaded: TaskRun,
  settled: Settled,
  wakes: Wakes,
): Promise<WaitAnswer> {
  const until = wait.clock() + heldMs;
  const held = wait.body.slot ?? currentAttempt(loaded.status)?.slot ?? 0;
  const { attempt, podUid } = wait;
  let run = loaded;
  while (!wait.signal.aborted) {
    run = newer(run, wait.seen());
    demandCurrent(wait, run);
    const { phase, slot = 0 } = run.status ?? {};
    const isDue = await settled.any();
    if (phase !== "Waiting") {
      if (slot > held || isDue) return answerOf(slot, settled);
      const message = messageOf(wait.body.on);
      run = await wait.apply({ type: "WaitBegan", attempt, podUid, slot: held, message });
      continue;
    }
    if (slot !== held)
      throw new Problem(409, `The wait that began with slot ${held} is over: ask with slot ${slot}`);
    if (isDue && run.status?.wait?.resumeAskedAt === undefined) {
      settled.load();
      run = await wait.apply({ type: "ResumeAsked", attempt, slot: held });
      continue;
    }
    const now = wait.clock();
    if (now >= until) return {};
    await wakes.next(Math.min(until, isDue ? until : settled.due) - now);
  }
  return {};
}

const goesOn: readonly (Phase | undefined)[] = ["Starting", "Executing", "Waiting"];

/** A watch keeps no list of attempts: by their number, and the phase. */
function demandCurrent({ attempt }: AttemptWait, { status }: TaskRun): void {
  if (status?.attempt === attempt && goesOn.includes(status.phase)) return;
  throw new Problem(409, `Attempt ${attempt} does not go on: the run is ${status?.phase}`);
}

/** The one that has seen more changes. */
const newer = (run: TaskRun, seen: TaskRun | undefined): TaskRun =>
  seen?.metadata.uid === run.metadata.uid && (seen.status?.revision ?? 0) > (run.status?.revision ?? 0)
    ? seen
    : run;

async function answerOf(slot: number, settled: Settled): Promise<WaitAnswer> {
  const ids = settled.ids().slice(0, resultsAtOnce);
  const results = await Promise.all(ids.map(async (id) => [id, await settled.result(id)] as const));
  return { slot, results: Object.fromEntries(results) };
}

const most = 3;
function messageOf(on: readonly string[]): string {
  const shown = on.slice(0, most).join(", ");
  return `Waits for ${shown}${on.length > most ? ` and ${on.length - most} more` : ""}; it has given its slot back, and its pod stays.`;
}

/** Which of what is waited for is settled. */
class Settled {
  readonly #wait: AttemptWait;
  readonly #wakes: Wakes;
  readonly #settled = new Set<string>();
  readonly #results = new Map<string, Promise<object>>();
  /** Those that changed since they were last looked at. */
  readonly #changed = new Set<Awaited>();
  readonly #timed: Awaited[] = [];
  #stops: (() => void)[] = [];

  constructor(wait: AttemptWait, wakes: Wakes) {
    this.#wait = wait;
    this.#wakes = wakes;
  }

  /** Watches first: what changes after a look is not missed. */
  async begin(): Promise<void> {
    for (const one of this.#wait.awaited) {
      const onChange = () => {
        this.#changed.add(one);
        this.#wakes.wake();
      };
      this.#stops.push(one.watch(onChange));
      this.#changed.add(one);
      if ("due" in one) this.#timed.push(one);
    }
    await this.#look();
  }

  end(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  async any(): Promise<boolean> {
    if (this.#changed.size > 0) await this.#look();
    for (const one of this.#timed) if (one.due !== undefined && one.isSettled()) this.#settled.add(one.id);
    return this.#settled.size > 0;
  }

  /** When the next one settles by itself. */
  get due(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#timed.flatMap(({ due }) => due ?? []));
  }

  ids(): string[] {
    return [...this.#settled];
  }

  /** Begins to read the results, while the run takes its slot. */
  load(): void {
    for (const id of this.ids().slice(0, resultsAtOnce)) this.result(id).catch(() => undefined);
  }

  result(id: string): Promise<object> {
    const known = this.#results.get(id) ?? this.#wait.result(id);
    this.#results.set(id, known);
    return known;
  }

  async #look(): Promise<void> {
    const changed = [...this.#changed];
    this.#changed.clear();
    const unseen: Awaited[] = [];
    for (const one of changed) {
      const isSettled = one.isSettled();
      if (isSettled) this.#settled.add(one.id);
      else if (isSettled === undefined) unseen.push(one);
    }
    await inParallel(unseen.values(), liveReadsAtOnce, async (one) => {
      if (await one.live()) this.#settled.add(one.id);
    });
  }
}

/** Wakes one sleeper; what happens while nobody sleeps is not lost. */
class Wakes {
  #isWoken = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#isWoken = true;
    this.#resolve?.();
  }

  async next(ms: number): Promise<void> {
    if (!this.#isWoken && ms > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      const timer = setTimeout(resolve, Math.min(ms, heldMs));
      await promise;
      clearTimeout(timer);
    }
    this.#resolve = undefined;
    this.#isWoken = false;
  }
}
