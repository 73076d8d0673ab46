/** One round of the bucket's sweeper: what may not be deleted, what was, and how much is left to do. */
import type { NamespaceStore, ObjectStore, Stores } from "../../storage/objectStore.ts";
import type { Deps } from "../deps.ts";

type Method = "delete" | "deleteMany" | "get" | "head" | "list" | "put" | "unreadable";

export interface BucketSweepDeps
  extends Pick<Deps, "owners" | "runs" | "batches" | "clock" | "config" | "log" | "sweepStats"> {
  store: Stores<Method> & Pick<ObjectStore, "namespaces" | "own">;
}

const deletesPerRound = 100_000;
/** Namespaces that fail one after the other: then it is not theirs. */
const failuresInRow = 5;

export class SweepRound {
  readonly deps: BucketSweepDeps;
  readonly nowMs: number;
  /** What ended before it is deleted. */
  readonly horizonMs: number;
  /** Keys that TaskRuns and batches name, and the folders that these are in. */
  readonly #referred: ReadonlySet<string>;
  readonly #signal: AbortSignal | undefined;
  #failures = 0;
  deleted = 0;

  constructor(deps: BucketSweepDeps, signal?: AbortSignal) {
    this.deps = deps;
    this.nowMs = deps.clock();
    this.horizonMs = this.nowMs - deps.config.historySeconds * 1000;
    this.#referred = referredKeys(deps);
    this.#signal = signal;
  }

  get isOver(): boolean {
    return this.deleted >= deletesPerRound || (this.#signal?.aborted ?? false);
  }

  /** Whether a TaskRun or a batch names this key, or one in this folder. */
  isReferred(keyOrFolder: string): boolean {
    return this.#referred.has(keyOrFolder);
  }

  /** Whether there is the resource with this uid. */
  isAlive(kind: "run" | "batch", namespace: string, name: string, uid: string): boolean {
    const { runs, batches } = this.deps;
    return (kind === "run" ? runs : batches).get(namespace, name)?.metadata.uid === uid;
  }

  /** Which runs live in a namespace that another release has, or that we do not watch, is not known here. */
  isResponsible(namespace: string): boolean {
    const { watchNamespaces } = this.deps.config;
    const isWatched = watchNamespaces.length === 0 || watchNamespaces.includes(namespace);
    return isWatched && this.deps.owners.otherOwner(namespace) === undefined;
  }

  storeOf(namespace: string): Pick<NamespaceStore, Method> {
    return this.deps.store.of(namespace);
  }

  /** A part of the round for one namespace: when it fails, the others go on. */
  async part(namespace: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#failures = 0;
    } catch (error) {
      if (++this.#failures >= failuresInRow) throw error;
      this.deps.log.warn({ namespace, err: error }, "this namespace's objects were not swept; trying again");
    }
  }

  /** Returns the keys that could not be deleted. */
  async delete(namespace: string, keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (keys.length === 0) return new Set();
    const failed = new Set(await this.storeOf(namespace).deleteMany(keys));
    this.deleted += keys.length - failed.size;
    this.deps.sweepStats.deleted += keys.length - failed.size;
    if (failed.size > 0) this.deps.log.warn({ keys: failed.size }, "objects could not be deleted");
    return failed;
  }

  /** An object that is not what it should be: it stays, and others go on. */
  skip(namespace: string, key: string, error: unknown): void {
    this.storeOf(namespace).unreadable(key, error);
  }
}

/**
 * What TaskRuns name as their payload and their output, what batches name as their results, and the folders
 * `ns/<namespace>/<kind>/<name>.<uid>/` of it.
 */
function referredKeys({ runs, batches }: Pick<BucketSweepDeps, "runs" | "batches">): Set<string> {
  const keys = new Set<string>();
  const add = (key: string | undefined): void => {
    if (key !== undefined) keys.add(key).add(`${key.split("/", 4).join("/")}/`);
  };
  for (const { spec, status } of runs.list()) {
    add(spec.payloadRef?.key);
    add(status?.outputRef?.key);
  }
  for (const { status } of batches.list()) add(status?.resultsRef?.key);
  return keys;
}
