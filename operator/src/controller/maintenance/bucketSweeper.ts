/**
 * Deletes expired objects from the bucket; not every S3 server has lifecycle rules. Every ten minutes, for
 * each namespace that this release watches:
 *
 *   - history older than `historySeconds`, with the payload, outputs and logs of its run;
 *   - packets that clients uploaded more than a day ago: a run that was triggered with one has a copy;
 *   - records of keys that have expired, once history has none of their runs;
 *   - folders and payloads as old as that history which belong to no resource and no history.
 *
 * Names come again: what belongs to a run is found by its uid. What a TaskRun refers to stays, whoever it
 * belongs to. An object that cannot be read is left alone and told, and the others go on. A round deletes a
 * bounded number of objects and leaves the rest to the next one, which also repeats what failed.
 */
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { type KeyRecord, readRecord } from "../../storage/keyRecord.ts";
import {
  batchesPrefix,
  historyFolder,
  historyIndexPrefix,
  historyKey,
  invertedTime,
  namespacesPrefix,
  packetsPrefix,
  payloadsPrefix,
  recordsPrefix,
  runFolder,
  runOfPayload,
  runsPrefix,
} from "../../storage/layout.ts";
import { foldersBelow, objectsBelow } from "../../storage/listing.ts";
import { parseSummary } from "../../storage/runHistory.ts";
import type { Deps } from "../deps.ts";

const deletesPerRound = 20_000;
const packetMs = 24 * 3600 * 1000;

export type BucketSweepDeps = Pick<Deps, "store" | "runs" | "batches" | "clock" | "config" | "log">;

export const bucketSweeper: PeriodicWork<BucketSweepDeps> = {
  everyMs: 10 * 60_000,
  firstMs: 60_000,
  failure: "expired objects could not be deleted",
  begin: (deps) => async (signal) => {
    const deleted = await sweepBucket(deps, signal);
    if (deleted > 0) deps.log.info({ deleted }, "deleted expired objects");
  },
};

/** One round; returns how many objects were deleted. */
export async function sweepBucket(deps: BucketSweepDeps, signal?: AbortSignal): Promise<number> {
  const round = new SweepRound(deps, signal);
  const { watchNamespaces } = deps.config;
  for await (const folder of foldersBelow(deps.store, namespacesPrefix)) {
    const namespace = folder.slice(namespacesPrefix.length, -1);
    // What is not watched may be another release's: which of its runs live is not known here.
    if (watchNamespaces.length > 0 && !watchNamespaces.includes(namespace)) continue;
    await round.deleteHistory(namespace);
    await round.deleteKeyRecords(namespace);
    await round.deleteOrphanFolders(namespace);
    await round.deleteOrphanPayloads(namespace);
    await round.deletePackets(namespace);
    if (round.isOver) break;
  }
  return round.deleted;
}

class SweepRound {
  readonly #deps: BucketSweepDeps;
  readonly #signal: AbortSignal | undefined;
  /** What is older is deleted. */
  readonly #horizonMs: number;
  /** Keys that TaskRuns name, and the folders that they are in. */
  readonly #referred: ReadonlySet<string>;
  deleted = 0;

  constructor(deps: BucketSweepDeps, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#signal = signal;
    this.#horizonMs = deps.clock() - deps.config.historySeconds * 1000;
    this.#referred = referredKeys(deps);
  }

  get isOver(): boolean {
    return this.deleted >= deletesPerRound || (this.#signal?.aborted ?? false);
  }

  /**
   * Summaries are sorted by creation, newest first, so the old ones come last. What counts is the end of the
   * run.
   */
  async deleteHistory(namespace: string): Promise<void> {
    const { store } = this.#deps;
    const prefix = historyIndexPrefix(namespace);
    const oldest = `${prefix}${invertedTime(this.#horizonMs)}`;
    for await (const { key } of objectsBelow(store, prefix, oldest)) {
      if (this.isOver) return;
      const object = await store.get(key, { maxBytes: 64 * 1024 });
      const summary = object && this.#readable(key, () => parseSummary(object.body));
      if (!summary || Date.parse(summary.status.finishedAt ?? "") > this.#horizonMs) continue;
      const run = { namespace, name: summary.name, uid: summary.uid };
      const folder = runFolder(run);
      // A duplicate shows the outputs of the run that it repeats.
      if (this.#referred.has(folder)) continue;
      await this.#deleteFolder(folder);
      const { payloadKey } = summary;
      const isOwn = payloadKey?.startsWith(`${payloadsPrefix(namespace)}${summary.name}.`);
      if (payloadKey && isOwn && !this.#referred.has(payloadKey)) await this.#delete(payloadKey);
      await this.#delete(historyKey(run));
      // Last: while it exists, the next round finds the rest.
      await this.#delete(key);
    }
  }

  /** The records of one key come one after the other, the highest generation first. */
  async deleteKeyRecords(namespace: string): Promise<void> {
    const prefix = recordsPrefix(namespace);
    let [hash, records]: [string, string[]] = ["", []];
    for await (const { key } of objectsBelow(this.#deps.store, prefix)) {
      const [of = ""] = key.slice(prefix.length).split("/", 1);
      if (of !== hash) {
        await this.#deleteRecords(namespace, hash, records);
        [hash, records] = [of, []];
      }
      records.push(key);
      if (this.isOver) return;
    }
    await this.#deleteRecords(namespace, hash, records);
  }

  /**
   * From the lowest to the highest: while one is left, the generations below it are not used again. The
   * highest stays with the others, and as long as a run lives that has the key.
   */
  async #deleteRecords(namespace: string, hash: string, keys: readonly string[]): Promise<void> {
    let left = keys.length;
    for (const key of keys.toReversed()) {
      if (this.isOver) return;
      const isHighest = key === keys[0];
      if (isHighest && (left > 1 || this.#deps.runs.byIndex("record", `${namespace}/${hash}`).length > 0))
        return;
      const record = await readRecord(this.#deps.store, key).catch((error: unknown) => {
        this.#deps.log.warn({ key, err: error }, "this object cannot be read, it is left alone");
      });
      if (!record || !(await this.#isOver(namespace, record))) continue;
      await this.#delete(key);
      left--;
    }
  }

  /** A name is not used again while history has it. */
  async #isOver(namespace: string, { run, expiresAt, finishedAt = expiresAt }: KeyRecord): Promise<boolean> {
    if (Date.parse(expiresAt) > this.#deps.clock() || Date.parse(finishedAt) > this.#horizonMs) return false;
    return (await this.#deps.store.head(historyKey({ namespace, ...run }))) === undefined;
  }

  async deleteOrphanFolders(namespace: string): Promise<void> {
    for (const [prefix, live] of [
      [runsPrefix(namespace), this.#deps.runs],
      [batchesPrefix(namespace), this.#deps.batches],
    ] as const) {
      for await (const folder of foldersBelow(this.#deps.store, prefix)) {
        if (this.isOver) return;
        const [, name = "", uid = ""] = /^(.*)\.([^.]+)$/.exec(folder.slice(prefix.length, -1)) ?? [];
        if (live.get(namespace, name)?.metadata.uid === uid || this.#hasResultsIn(folder)) continue;
        if (this.#referred.has(folder) || !(await this.#isOld(folder))) continue;
        if (await this.#deps.store.head(historyKey({ namespace, name, uid }))) continue;
        await this.#deleteFolder(folder);
      }
    }
  }

  /** Payloads of runs that were never created, or were deleted by a user. */
  async deleteOrphanPayloads(namespace: string): Promise<void> {
    const prefix = payloadsPrefix(namespace);
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, prefix)) {
      if (this.isOver) return;
      if (modifiedMs > this.#horizonMs || this.#referred.has(key)) continue;
      if (!(await this.#hasHistory(namespace, runOfPayload(namespace, key)))) await this.#delete(key);
    }
  }

  async deletePackets(namespace: string): Promise<void> {
    const horizonMs = this.#deps.clock() - packetMs;
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, packetsPrefix(namespace))) {
      if (this.isOver) return;
      if (modifiedMs < horizonMs && !this.#referred.has(key)) await this.#delete(key);
    }
  }

  async #hasHistory(namespace: string, name: string): Promise<boolean> {
    const { objects } = await this.#deps.store.list(historyFolder(namespace, name), { limit: 1 });
    return objects.length > 0;
  }

  /** Whether a batch, which repeats the one whose folder it is, names results in it. */
  #hasResultsIn(folder: string): boolean {
    for (const { status } of this.#deps.batches.list())
      if (status?.resultsRef?.key.startsWith(folder)) return true;
    return false;
  }

  /** Judged by its newest object. */
  async #isOld(folder: string): Promise<boolean> {
    for await (const { modifiedMs } of objectsBelow(this.#deps.store, folder))
      if (modifiedMs > this.#horizonMs) return false;
    return true;
  }

  #readable<T>(key: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      this.#deps.log.warn({ key, err: error }, "this object cannot be read, it is left alone");
      return undefined;
    }
  }

  async #deleteFolder(folder: string): Promise<void> {
    for await (const { key } of objectsBelow(this.#deps.store, folder)) await this.#delete(key);
  }

  async #delete(key: string): Promise<void> {
    await this.#deps.store.delete(key);
    this.deleted++;
  }
}

/**
 * What TaskRuns name as their payload and their output, and the folders `ns/<namespace>/<kind>/<name>.<uid>/`
 * of it.
 */
function referredKeys({ runs }: Pick<BucketSweepDeps, "runs">): Set<string> {
  const keys = new Set<string>();
  for (const { spec, status } of runs.list()) {
    for (const key of [spec.payloadRef?.key, status?.outputRef?.key]) {
      if (key === undefined) continue;
      keys.add(key);
      keys.add(`${key.split("/", 4).join("/")}/`);
    }
  }
  return keys;
}
