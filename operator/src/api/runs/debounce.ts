/**
 * What a debounced trigger does next: move the start of its key's delayed run, or create the next run of the
 * key (model/keys/debounce.ts).
 *
 * This replica's watch knows the youngest run of the key, the record in the bucket the last retired one. A
 * run that both have missed is found by its name: creating it is AlreadyExists. Every change is
 * compare-and-swap, so a run that the controller has just queued is not touched.
 */
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import {
  type Debounce,
  debouncedRunName,
  debounceGeneration,
  debounceHash,
  debounceStep,
  withAnswered,
} from "../../model/keys/debounce.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { readKeyRecord } from "../../storage/keyRecord.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { dropPayload } from "./payload.ts";
import type { RunReader } from "./reader.ts";

export interface DebounceDeps {
  client: Pick<KubeClient, "get" | "replace">;
  store: Stores<"delete" | "get" | "list" | "unreadable">;
  reader: Pick<RunReader, "youngestOf">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

interface DebouncedTrigger {
  namespace: string;
  task: string;
  debounce: Debounce;
  /** The client's id of this call. */
  requestKey?: string;
}

type DebounceAction =
  /** This run has answered the very same request. */
  | { answered: string }
  /** Move the start of this run to that time (milliseconds since the epoch). */
  | { push: TaskRun; until: number }
  /** Create the run of this name. */
  | { create: string; generation: number };

/** Runs that the watch has not shown yet, and changes that another writer was faster with. */
const attemptLimit = 100;

/**
 * One action after the other: the caller tries it, and asks for the next one when another writer was faster.
 */
export async function* debounceActions(
  deps: DebounceDeps,
  { namespace, task, debounce, requestKey }: DebouncedTrigger,
): AsyncGenerator<DebounceAction, void> {
  let name = deps.reader.youngestOf(namespace, task, debounce.key)?.metadata.name;
  let generation = 0;
  for (let attempt = 0; attempt < attemptLimit; attempt++) {
    const run = name === undefined ? undefined : await deps.client.get(TaskRuns, namespace, name);
    if (run) {
      const step = debounceStep(run, debounce, deps.clock(), requestKey);
      if ("answered" in step) return yield { answered: run.metadata.name };
      if ("push" in step) {
        yield { push: run, until: step.push };
        continue;
      }
      generation = debounceGeneration(run) + 1;
    }
    // The run was retired, or the watch knows none: later runs have a generation above the record's.
    if (!run || attempt === 0) {
      const record = await readKeyRecord(deps.store, namespace, debounceHash(namespace, task, debounce.key));
      generation = Math.max(generation, record ? record.generation + 1 : 0);
    }
    name = debouncedRunName(namespace, task, debounce.key, generation);
    yield { create: name, generation };
  }
}

/** False when the run has changed since it was read. `change`: what a trailing trigger replaces. */
export async function pushStart(
  { client, store }: Pick<DebounceDeps, "client" | "store">,
  { push: run, until }: Extract<DebounceAction, { push: TaskRun }>,
  requestKey: string | undefined,
  change: Partial<TaskRun["spec"]>,
): Promise<boolean> {
  const { metadata, spec } = run;
  const annotations = { ...metadata.annotations, ...withAnswered(run, requestKey) };
  const changed = {
    ...run,
    metadata: { ...metadata, annotations },
    spec: { ...spec, delayUntil: new Date(until).toISOString(), ...change },
  };
  try {
    // As a whole, because a merge would not replace metadata. Its resourceVersion makes it compare-and-swap.
    await client.replace(TaskRuns, metadata.namespace, metadata.name, changed);
  } catch (error) {
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
    await dropPayload(store, changed.spec, run);
    return false;
  }
  await dropPayload(store, spec, changed);
  return true;
}
