/**
 * A debounced trigger: moves the start of its key's delayed run, or makes the next run of the key (model/debounce.ts).
 *
 * This replica's watch says which run of the key is the youngest; the record in the bucket, which have gone. What has
 * been missed is found by its name: creating it is AlreadyExists. Every change is compare-and-swap: a run that the
 * controller has let go in this moment is not touched.
 */
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import {
  type Debounce,
  debouncedRunName,
  debounceHash,
  debounceStep,
  generationOf,
  withAnswered,
} from "../../model/keys/debounce.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { readKeyRecord } from "../../storage/keyRecord.ts";
import { triggerPayloadKey } from "../../storage/layout.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { Problem } from "../http/problem.ts";
import type { RunReader } from "./reader.ts";

export interface DebounceDeps {
  client: Pick<KubeClient, "get" | "replace">;
  store: Pick<ObjectStore, "delete" | "get">;
  reader: Pick<RunReader, "get" | "youngestOf">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export interface DebouncedTrigger {
  namespace: string;
  task: string;
  debounce: Debounce;
  /** The client's id of this call. */
  request?: string;
  /** What a trailing trigger puts in place of what the run has; its payload is in the bucket by then. */
  replacement: (run: string) => Promise<Partial<TaskRun["spec"]>>;
  /** Makes a run; undefined when there is one of that name. */
  create: (
    name: string,
    debounce: NonNullable<TaskRun["spec"]["debounce"]>,
    annotations: Record<string, string>,
  ) => Promise<Triggered | undefined>;
}

export interface Triggered {
  name: string;
  isCached: boolean;
}

/** Steps over runs that the watch has not shown yet, and changes that somebody else was faster with. */
const tries = 100;

export async function debouncedRun(deps: DebounceDeps, trigger: DebouncedTrigger): Promise<Triggered> {
  const { namespace, task, debounce, request } = trigger;
  let name = deps.reader.youngestOf(namespace, task, debounce.key)?.metadata.name;
  let generation: number | undefined;
  for (let attempt = 0; attempt < tries; attempt++) {
    const run = name === undefined ? undefined : await deps.client.get(TaskRuns, namespace, name);
    if (run) {
      const answer = await pushed(deps, trigger, run);
      if (answer === "again") continue;
      if (answer) return { name: run.metadata.name, isCached: true };
      generation = generationOf(run) + 1;
    }
    // Gone, or never seen: whatever was made since has a number above the record's.
    if (!run || attempt === 0) {
      const record = await readKeyRecord(deps.store, namespace, debounceHash(namespace, task, debounce.key));
      generation = Math.max(generation ?? 0, record ? record.generation + 1 : 0);
    }
    name = debouncedRunName(namespace, task, debounce.key, generation ?? 0);
    const spec = { ...debounce, ...(generation ? { generation } : {}) };
    const made = await trigger.create(name, spec, withAnswered(undefined, request));
    if (made) return made;
  }
  throw new Problem(409, "options.debounce.key: too many triggers at once, try again");
}

/** Whether the run answers the trigger; "again" when it changed in this moment. */
async function pushed(
  deps: DebounceDeps,
  { namespace, debounce, request, replacement }: DebouncedTrigger,
  run: TaskRun,
): Promise<boolean | "again"> {
  const step = debounceStep(run, debounce, deps.clock(), request);
  if ("another" in step) return false;
  if ("answered" in step) return true;
  const { name, annotations } = run.metadata;
  const changed = {
    ...run,
    metadata: { ...run.metadata, annotations: { ...annotations, ...withAnswered(run, request) } },
    spec: {
      ...run.spec,
      delayUntil: new Date(step.push).toISOString(),
      ...(debounce.mode === "trailing" ? await replacement(name) : {}),
    },
  };
  try {
    // As a whole, not as a merge: metadata are replaced, too. The resourceVersion in it makes it compare-and-swap.
    await deps.client.replace(TaskRuns, namespace, name, changed);
  } catch (error) {
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
    await dropPayload(deps, changed, run);
    return "again";
  }
  await dropPayload(deps, run, changed);
  return true;
}

/** The one of the two that is not the run's. Only what the API stored for it: a reference may be anybody's. */
async function dropPayload({ store }: DebounceDeps, unused: TaskRun, kept: TaskRun): Promise<void> {
  const { namespace, name } = kept.metadata;
  const key = unused.spec.payloadRef?.key;
  const isOwn = key?.startsWith(triggerPayloadKey(namespace, name, ""));
  if (key !== undefined && isOwn && key !== kept.spec.payloadRef?.key) await store.delete(key);
}
