import { expect, test } from "vitest";
import type { TaskBatch, TaskRun } from "../../model/resources.ts";
import type { Deps } from "../deps.ts";
import { batchAllowsRetirement, summarizeItems, withoutItems } from "./cache.ts";

const batch = (status: TaskBatch["status"], spec: TaskBatch["spec"] = {}): TaskBatch => ({
  apiVersion: "fairlead.dev/v1alpha1",
  kind: "TaskBatch",
  metadata: { namespace: "default", name: "nightly", uid: "b1" },
  spec,
  status,
});

const run = (ownerUid?: string): TaskRun => {
  const owner = { apiVersion: "", kind: "TaskBatch", name: "nightly", uid: ownerUid ?? "" };
  const metadata = { namespace: "default", name: "nightly-0", uid: "r0" };
  return {
    apiVersion: "",
    kind: "TaskRun",
    metadata: ownerUid ? { ...metadata, ownerReferences: [owner] } : metadata,
    spec: {},
  };
};

test("a batch keeps its runs until it has finished", () => {
  const allows = (known: TaskBatch | undefined, ownerUid?: string): boolean =>
    batchAllowsRetirement(
      { batches: { get: () => known } } as unknown as Pick<Deps, "batches">,
      run(ownerUid),
    );
  expect(allows(batch({ phase: "Processing" }), "b1")).toBe(false);
  expect(allows(batch(undefined), "b1")).toBe(false);
  expect(allows(batch({ phase: "PartiallyFailed" }), "b1")).toBe(true);
  expect(allows(undefined, "b1")).toBe(true);
  expect(allows(batch({ phase: "Processing" }), "an earlier one")).toBe(true);
  expect(allows(batch({ phase: "Processing" }))).toBe(true);
});

test("the cache knows how many items there are, and whether they changed, but not the items", () => {
  const spec = { items: [{ task: "a" }, { task: "b" }], defaults: { priority: 1 }, maxConcurrency: 2 };
  const cached = withoutItems(batch(undefined, spec));
  expect(cached.spec).toEqual({ maxConcurrency: 2 });
  expect(cached.items).toMatchObject({ source: "inline", count: 2 });
  expect(withoutItems(cached)).toBe(cached);
  const digest = (other: object) => summarizeItems({ ...spec, ...other }).sha256;
  expect(digest({ maxConcurrency: 3 })).toBe(cached.items?.sha256);
  expect(digest({ defaults: { priority: 2 } })).not.toBe(cached.items?.sha256);
  expect(digest({ items: [{ task: "b" }, { task: "a" }] })).not.toBe(cached.items?.sha256);
});
