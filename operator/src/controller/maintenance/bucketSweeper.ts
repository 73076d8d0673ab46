/**
 * Deletes expired objects from the bucket; not every S3 server has lifecycle rules. Every ten minutes, for
 * each namespace:
 *
 *   - history older than `historySeconds`, with the payload, outputs and logs of its run;
 *   - packets that clients uploaded more than a day ago: a run that was triggered with one has a copy;
 *   - records of keys that have expired;
 *   - folders and payloads as old as that history which belong to no resource and no history.
 *
 * A round deletes a bounded number of objects and leaves the rest to the next one, which also repeats what
 * failed.
 */
import type { PeriodicWork } from "../../kube/manager/manager.ts";
import { parseKeyRecord } from "../../storage/keyRecord.ts";
import {
  batchesPrefix,
  historyIndexPrefix,
  historyKey,
  invertedTime,
  keysPrefix,
  namespacesPrefix,
  packetsPrefix,
  payloadsPrefix,
  runFolder,
  runOfPayload,
  runsPrefix,
} from "../../storage/layout.ts";
import { foldersBelow, objectsBelow } from "../../storage/listing.ts";
import type { RunSummary } from "../../storage/runHistory.ts";
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
  for await (const folder of foldersBelow(deps.store, namespacesPrefix)) {
    const namespace = folder.slice(namespacesPrefix.length, -1);
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
  deleted = 0;

  constructor(deps: BucketSweepDeps, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#signal = signal;
    this.#horizonMs = deps.clock() - deps.config.historySeconds * 1000;
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
      if (!object) continue;
      const summary = JSON.parse(new TextDecoder().decode(object.body)) as RunSummary;
      if (Date.parse(summary.status.finishedAt ?? "") > this.#horizonMs) continue;
      await this.#deleteFolder(runFolder({ namespace, name: summary.name, uid: summary.uid }));
      await this.#deleteFolder(`${payloadsPrefix(namespace)}${summary.name}.`);
      await this.#delete(historyKey(namespace, summary.name));
      // Last: while it exists, the next round finds the rest.
      await this.#delete(key);
    }
  }

  async deleteKeyRecords(namespace: string): Promise<void> {
    for await (const { key } of objectsBelow(this.#deps.store, keysPrefix(namespace))) {
      if (this.isOver) return;
      const object = await this.#deps.store.get(key, { maxBytes: 4096 });
      const record = object && parseKeyRecord(object.body);
      if (record && Date.parse(record.expiresAt) < this.#deps.clock()) await this.#delete(key);
    }
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
        if (await this.#isOld(folder)) await this.#deleteFolder(folder);
      }
    }
  }

  /** Payloads of runs that were never created, or were deleted by a user. */
  async deleteOrphanPayloads(namespace: string): Promise<void> {
    const prefix = payloadsPrefix(namespace);
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, prefix)) {
      if (this.isOver) return;
      const name = runOfPayload(namespace, key);
      if (modifiedMs > this.#horizonMs || this.#deps.runs.get(namespace, name)) continue;
      if (!(await this.#deps.store.head(historyKey(namespace, name)))) await this.#delete(key);
    }
  }

  async deletePackets(namespace: string): Promise<void> {
    const horizonMs = this.#deps.clock() - packetMs;
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, packetsPrefix(namespace))) {
      if (this.isOver) return;
      if (modifiedMs < horizonMs) await this.#delete(key);
    }
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

  async #deleteFolder(folder: string): Promise<void> {
    for await (const { key } of objectsBelow(this.#deps.store, folder)) await this.#delete(key);
  }

  async #delete(key: string): Promise<void> {
    await this.#deps.store.delete(key);
    this.deleted++;
  }
}
