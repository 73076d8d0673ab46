/**
 * A TaskBatch as the cache holds it: its items and defaults, which may be big, are replaced by their number
 * and hash. They are read from the API server when runs are created.
 */
import { createHash } from "node:crypto";
import type { Informer } from "../../kube/cache/informer.ts";
import { isBatchFinished } from "../../model/batch/phase.ts";
import { ownMetadata } from "../../model/ownMetadata.ts";
import type { TaskBatch, TaskBatchSpec, TaskRun } from "../../model/resources.ts";

export interface CachedBatch extends TaskBatch {
  items?: ItemsSummary;
}

interface ItemsSummary {
  source: "inline" | "object" | "staged";
  /** Of inline items. */
  count?: number;
  /** Of spec.items, itemsRef and defaults: what runs are made of. */
  sha256: string;
}

export function summarizeItems({ items, itemsRef, defaults }: TaskBatchSpec): ItemsSummary {
  const text = JSON.stringify([items, itemsRef, defaults]);
  return {
    source: items ? "inline" : itemsRef ? "object" : "staged",
    count: items?.length,
    sha256: createHash("sha256").update(text).digest("hex"),
  };
}

/** The cache's transform. Applied to a cached batch it changes nothing. */
export function withoutItems(batch: CachedBatch): CachedBatch {
  if (batch.items) return batch;
  const { items: _items, defaults: _defaults, ...spec } = batch.spec;
  return { ...batch, metadata: ownMetadata(batch.metadata), spec, items: summarizeItems(batch.spec) };
}

export const summaryOf = (batch: CachedBatch): ItemsSummary => batch.items ?? summarizeItems(batch.spec);

/** A run that a batch created stays until the batch has its result. */
export function batchAllowsRetirement(
  { batches }: { batches: Pick<Informer<CachedBatch>, "get"> },
  run: TaskRun,
): boolean {
  const { namespace, ownerReferences } = run.metadata;
  const owner = ownerReferences?.find(({ kind }) => kind === "TaskBatch");
  const batch = owner && batches.get(namespace, owner.name);
  return batch?.metadata.uid !== owner?.uid || !batch || isBatchFinished(batch);
}
