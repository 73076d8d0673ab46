/** A TaskBatch as the cache holds it: its items and defaults summed up. They are read live when runs are made. */
import { createHash } from "node:crypto";
import type { TaskBatch, TaskBatchSpec } from "../../model/resources.ts";

export interface CachedBatch extends TaskBatch {
  items?: ItemsSummary;
}

export interface ItemsSummary {
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

/** Ingest filter of the TaskBatch cache. */
export function withoutItems(batch: CachedBatch): CachedBatch {
  if (batch.items) return batch;
  const { items: _items, defaults: _defaults, ...spec } = batch.spec;
  return { ...batch, spec, items: summarizeItems(batch.spec) };
}

export const summaryOf = (batch: CachedBatch): ItemsSummary => batch.items ?? summarizeItems(batch.spec);
