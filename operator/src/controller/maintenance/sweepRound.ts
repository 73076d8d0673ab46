/** One round of the bucket's sweeper: what may not be deleted, what was, and how much is left to do. */
import type { ObjectStore } from "../../storage/objectStore.ts";
import type { Deps } from "../deps.ts";

export interface BucketSweepDeps
  extends Pick<Deps, "owners" | "runs" | "batches" | "clock" | "config" | "log" | "sweepStats"> {
  store: Pick<ObjectStore, "delete" | "deleteMany" | "get" | "head" | "list" | "put">;
}

const deletesPerRound = 100_000;

export class SweepRound {
  readonly deps: BucketSweepDeps;
  readonly nowMs: number;
  /** What ended before it is deleted. */
  readonly horizonMs: number;
  /** Keys that TaskRuns and batches name, and the folders that these are in. */
  readonly #referred: ReadonlySet<string>;
  readonly #signal: AbortSignal | undefined;
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

  /** Returns the keys that could not be deleted. */
  async delete(keys: readonly string[]): Promise<ReadonlySet<string>> {
    if (keys.length === 0) return new Set();
    const failed = new Set(await this.deps.store.deleteMany(keys));
    this.deleted += keys.length - failed.size;
    this.deps.sweepStats.deleted += keys.length - failed.size;
    if (failed.size > 0) this.deps.log.warn({ keys: failed.size }, "objects could not be deleted");
    return failed;
  }

  /** An object that is not what it should be: it stays, and others go on. */
  skip(key: string, error?: unknown): void {
    this.deps.sweepStats.unreadable++;
    this.deps.log.warn({ key, err: error }, "this object cannot be read, it is left alone");
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
