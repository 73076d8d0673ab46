/**
 * What an attempt can wait for, by its id: a run, a batch, a token, or a time. Whether it is settled is known
 * from this replica's watches, which tell of changes; what they have not seen is read live. What is gone, or
 * never was there, is settled too: nobody waits for it for ever.
 */
import { idPrefix } from "@fairlead/protocol/ids";
import { isBatchFinished } from "../../model/batch/phase.ts";
import type { TaskBatch, TaskRun, WaitToken } from "../../model/resources.ts";
import { isFinished } from "../../model/run/phase.ts";
import { isTokenSettled } from "../../model/waitToken.ts";
import { nameIn, runOfId } from "../http/input.ts";
import { Problem } from "../http/problem.ts";

/** Objects of a kind, as this replica's watch has seen them. */
interface Seen<T> {
  seen(namespace: string, name: string): T | undefined;
  watch(namespace: string, name: string, onChange: () => void): () => void;
}

export interface AwaitedDeps {
  reader: Seen<TaskRun> & {
    get(namespace: string, name: string, uid?: string): Promise<TaskRun | undefined>;
  };
  batches: Seen<TaskBatch>;
  findBatch(namespace: string, name: string): Promise<TaskBatch | undefined>;
  tokens: Seen<WaitToken>;
  findToken(namespace: string, name: string): Promise<WaitToken | undefined>;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

/** `live`: whether it is settled, by the API server; a watch that knows no such object may be behind. */
export interface Awaited {
  id: string;
  isSettled(): boolean | undefined;
  live(): Promise<boolean>;
  watch(onChange: () => void): () => void;
  /** In milliseconds since the epoch: when it settles by itself. */
  due?: number;
}

export function awaitedOf(deps: AwaitedDeps, namespace: string, id: string): Awaited {
  if (id.startsWith(idPrefix.run)) return awaitedRun(deps, namespace, id);
  if (id.startsWith(idPrefix.batch)) return awaitedBatch(deps, namespace, id);
  const due = timeOfId(id);
  if (due !== undefined) return awaitedTime(deps, id, due);
  if (id.startsWith(idPrefix.waitpoint)) return awaitedToken(deps, namespace, id);
  throw new Problem(
    400,
    `on: "${id.slice(0, 80)}" is no id of a run, a batch or a token: send run_…, batch_… or waitpoint_…`,
  );
}

/** No name of a resource has an upper-case letter. */
const timePattern = /^waitpoint_T(\d{1,15})$/;

/** The time in the id of a wait for a time; undefined for any other id. */
export function timeOfId(id: string): number | undefined {
  const [, ms] = timePattern.exec(id) ?? [];
  return ms === undefined ? undefined : Number(ms);
}

export const timeId = (ms: number): string => `${idPrefix.waitpoint}T${Math.max(0, Math.ceil(ms))}`;

function awaitedRun({ reader }: AwaitedDeps, namespace: string, id: string): Awaited {
  const { name, uid } = runOfId(id);
  const settled = (run: TaskRun | undefined) => run === undefined || isFinished(run);
  return {
    id,
    isSettled() {
      const run = reader.seen(namespace, name);
      return run === undefined || (uid !== undefined && run.metadata.uid !== uid) ? undefined : settled(run);
    },
    live: async () => settled(await reader.get(namespace, name, uid)),
    watch: (onChange) => reader.watch(namespace, name, onChange),
  };
}

function awaitedBatch({ batches, findBatch }: AwaitedDeps, namespace: string, id: string): Awaited {
  const name = nameIn(id, idPrefix.batch);
  return {
    id,
    isSettled() {
      const batch = batches.seen(namespace, name);
      return batch && isBatchFinished(batch);
    },
    async live() {
      const batch = await findBatch(namespace, name);
      return batch === undefined || isBatchFinished(batch);
    },
    watch: (onChange) => batches.watch(namespace, name, onChange),
  };
}

function awaitedToken({ tokens, findToken }: AwaitedDeps, namespace: string, id: string): Awaited {
  const name = nameIn(id, idPrefix.waitpoint);
  return {
    id,
    isSettled() {
      const token = tokens.seen(namespace, name);
      return token && isTokenSettled(token);
    },
    async live() {
      const token = await findToken(namespace, name);
      return token === undefined || isTokenSettled(token);
    },
    watch: (onChange) => tokens.watch(namespace, name, onChange),
  };
}

const awaitedTime = ({ clock }: AwaitedDeps, id: string, due: number): Awaited => ({
  id,
  due,
  isSettled: () => clock() >= due,
  live: async () => clock() >= due,
  watch: () => () => undefined,
});
