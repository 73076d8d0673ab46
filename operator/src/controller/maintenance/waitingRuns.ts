/**
 * What the runs that wait for a slot say: every five seconds each is compared with the caches. A new cause is
 * written at once, numbers that moved at most once a minute and for the first of each queue; what is written
 * in one round is bounded for each namespace. The API answers with the exact place.
 */
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { inParallel } from "../../lib/parallel.ts";
import type { Task } from "../../model/resources.ts";
import { holdsSlot } from "../../model/run/phase.ts";
import { foundByAdmission, inLine, isStale, laneOf, type Wait } from "../../model/run/waiting.ts";
import type { Deps } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { applyRunEvent, type EventDeps } from "../taskRun/applyRunEvent.ts";
import type { CachedRun } from "../taskRun/cache.ts";
import { isAdmissible } from "../taskRun/queueEntry.ts";
import { type WaitDeps, waitOf } from "../taskRun/waiting.ts";

/** In one round. */
const writesOfNamespace = 100;
const numbersOfLane = 10;
const writesAtOnce = 8;

type WaitingDeps = EventDeps & WaitDeps & Pick<Deps, "tasks"> & { owners: Pick<Deps["owners"], "isOurs"> };

export const waitingRuns: PeriodicWork<WaitingDeps> = {
  everyMs: 5_000,
  failure: "why runs wait could not be written",
  begin: (deps) => async (signal) => {
    const write = async ({ run, wait }: Stale): Promise<void> => {
      await applyRunEvent(deps, run, { type: "Waits", ...wait });
    };
    await inParallel(staleRuns(deps).values(), writesAtOnce, write, () => !signal.aborted);
  },
};

interface Stale {
  run: CachedRun;
  wait: Wait;
}

interface Lane {
  running: number;
  waiting: CachedRun[];
}

export function staleRuns(
  deps: Omit<WaitingDeps, "runs"> & { runs: { list(): Iterable<CachedRun> } },
): Stale[] {
  const lanes = new Map<string, Lane>();
  const running = new Map<string, number>();
  for (const run of deps.runs.list()) {
    const { namespace } = run.metadata;
    if (!deps.owners.isOurs(namespace)) continue;
    const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
    const holds = holdsSlot(run);
    if (!holds && !isWaiting(run, task, deps.clock())) continue;
    const key = laneOf(run, task);
    const lane = lanes.get(key) ?? { running: 0, waiting: [] };
    lanes.set(key, lane);
    if (holds) {
      lane.running++;
      running.set(namespace, (running.get(namespace) ?? 0) + 1);
    } else lane.waiting.push(run);
  }
  const left = new Map<string, number>();
  return [...lanes.values()].flatMap((lane) => [...staleOf(deps, lane, running, left)]);
}

const isWaiting = (run: CachedRun, task: Task | undefined, now: number): boolean =>
  isAdmissible(run, task, now) && !foundByAdmission.has(run.status?.reason ?? "");

function* staleOf(
  deps: WaitDeps & Pick<Deps, "tasks">,
  lane: Lane,
  running: ReadonlyMap<string, number>,
  left: Map<string, number>,
): Generator<Stale> {
  let numbers = 0;
  for (const [index, run] of lane.waiting.sort(inLine).entries()) {
    const { namespace } = run.metadata;
    const budget = left.get(namespace) ?? writesOfNamespace;
    if (budget === 0) return;
    const task = run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task);
    const wait = waitOf(deps, run, task, {
      ...{ running: lane.running, place: index + 1, queued: lane.waiting.length },
      namespaceRunning: running.get(namespace) ?? 0,
    });
    const what = isStale(run.status ?? {}, wait, deps.clock());
    if (!what || (what === "numbers" && ++numbers > numbersOfLane)) continue;
    left.set(namespace, budget - 1);
    yield { run, wait };
  }
}
