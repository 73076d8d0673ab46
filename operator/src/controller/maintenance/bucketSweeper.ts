/**
 * Objects expire by our own hand: not every S3 server has lifecycle rules. Every ten minutes, namespace by namespace:
 *
 *   - history older than `historySeconds`, with the payload, outputs and logs of its run;
 *   - packets that clients uploaded more than a day ago: what was triggered with them has a copy;
 *   - records of keys whose time is over;
 *   - folders of runs and batches that are no resource and no history any more, once they are as old.
 *
 * A round deletes at most so many objects and leaves the rest to the next one. What fails is tried in the next round.
 */
import { setTimeout as pause } from "node:timers/promises";
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

const everyMs = 10 * 60_000;
const firstMs = 60_000;
const deletesPerRound = 20_000;
const packetMs = 24 * 3600 * 1000;

export type SweepDeps = Pick<Deps, "store" | "runs" | "batches" | "clock" | "config" | "log">;

export async function sweepBucket(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  let wait = firstMs;
  while (!signal.aborted) {
    await pause(wait, undefined, { signal }).catch(() => undefined);
    wait = everyMs;
    if (signal.aborted) return;
    try {
      const deleted = await sweepOnce(deps, signal);
      if (deleted > 0) deps.log.info({ deleted }, "deleted expired objects");
    } catch (error) {
      if (!signal.aborted) deps.log.warn({ err: error }, "expired objects could not be deleted");
    }
  }
}

/** One round; returns how many objects were deleted. */
export async function sweepOnce(deps: SweepDeps, signal?: AbortSignal): Promise<number> {
  const round = new Round(deps, signal);
  for await (const folder of foldersBelow(deps.store, namespacesPrefix)) {
    const namespace = folder.slice(namespacesPrefix.length, -1);
    await round.history(namespace);
    await round.keys(namespace);
    await round.orphans(namespace);
    await round.payloads(namespace);
    await round.packets(namespace);
    if (round.isOver) break;
  }
  return round.deleted;
}

class Round {
  readonly #deps: SweepDeps;
  readonly #signal: AbortSignal | undefined;
  /** What is older goes. */
  readonly #horizonMs: number;
  deleted = 0;

  constructor(deps: SweepDeps, signal: AbortSignal | undefined) {
    this.#deps = deps;
    this.#signal = signal;
    this.#horizonMs = deps.clock() - deps.config.historySeconds * 1000;
  }

  get isOver(): boolean {
    return this.deleted >= deletesPerRound || (this.#signal?.aborted ?? false);
  }

  /** Summaries sort by creation, newest first: the old ones are a tail. A run that ended late stays as long. */
  async history(namespace: string): Promise<void> {
    const { store } = this.#deps;
    const prefix = historyIndexPrefix(namespace);
    for await (const { key } of objectsBelow(
      this.#deps.store,
      prefix,
      `${prefix}${invertedTime(this.#horizonMs)}`,
    )) {
      if (this.isOver) return;
      const object = await store.get(key, { maxBytes: 64 * 1024 });
      if (!object) continue;
      const summary = JSON.parse(new TextDecoder().decode(object.body)) as RunSummary;
      if (Date.parse(summary.status.finishedAt ?? "") > this.#horizonMs) continue;
      await this.#folder(runFolder({ namespace, name: summary.name, uid: summary.uid }));
      await this.#folder(`${payloadsPrefix(namespace)}${summary.name}.`);
      await this.#delete(historyKey(namespace, summary.name));
      // Last: as long as it is there, the rest will be found.
      await this.#delete(key);
    }
  }

  async keys(namespace: string): Promise<void> {
    for await (const { key } of objectsBelow(this.#deps.store, keysPrefix(namespace))) {
      if (this.isOver) return;
      const object = await this.#deps.store.get(key, { maxBytes: 4096 });
      const record = object && parseKeyRecord(object.body);
      if (record && Date.parse(record.expiresAt) < this.#deps.clock()) await this.#delete(key);
    }
  }

  async orphans(namespace: string): Promise<void> {
    for (const [prefix, live] of [
      [runsPrefix(namespace), this.#deps.runs],
      [batchesPrefix(namespace), this.#deps.batches],
    ] as const) {
      for await (const folder of foldersBelow(this.#deps.store, prefix)) {
        if (this.isOver) return;
        const [, name = "", uid = ""] = /^(.*)\.([^.]+)$/.exec(folder.slice(prefix.length, -1)) ?? [];
        if (live.get(namespace, name)?.metadata.uid === uid || this.#isShown(folder)) continue;
        if (await this.#isOld(folder)) await this.#folder(folder);
      }
    }
  }

  /** Of runs that were never there, or were deleted by hand. */
  async payloads(namespace: string): Promise<void> {
    const prefix = payloadsPrefix(namespace);
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, prefix)) {
      if (this.isOver) return;
      const name = runOfPayload(namespace, key);
      if (modifiedMs > this.#horizonMs || this.#deps.runs.get(namespace, name)) continue;
      if (!(await this.#deps.store.head(historyKey(namespace, name)))) await this.#delete(key);
    }
  }

  async packets(namespace: string): Promise<void> {
    const horizonMs = this.#deps.clock() - packetMs;
    for await (const { key, modifiedMs } of objectsBelow(this.#deps.store, packetsPrefix(namespace))) {
      if (this.isOver) return;
      if (modifiedMs < horizonMs) await this.#delete(key);
    }
  }

  /** By a batch that repeats the one whose folder it is. */
  #isShown(folder: string): boolean {
    for (const { status } of this.#deps.batches.list())
      if (status?.resultsRef?.key.startsWith(folder)) return true;
    return false;
  }

  /** By its newest object. */
  async #isOld(folder: string): Promise<boolean> {
    for await (const { modifiedMs } of objectsBelow(this.#deps.store, folder))
      if (modifiedMs > this.#horizonMs) return false;
    return true;
  }

  async #folder(folder: string): Promise<void> {
    for await (const { key } of objectsBelow(this.#deps.store, folder)) await this.#delete(key);
  }

  async #delete(key: string): Promise<void> {
    await this.#deps.store.delete(key);
    this.deleted++;
  }
}
