/** From an item of a batch to its TaskRun, and from how it ended to its line in the results. */
import { batchLabel, originLabel } from "@fairlead/protocol/labels";
import {
  apiVersion,
  type BatchItem,
  type ObjectMeta,
  type OutputRef,
  type Phase,
  type RunError,
  type TaskBatch,
  type TaskRun,
  type TaskRunSpec,
} from "../resources.ts";
import { batchItem } from "../schema/taskBatch.ts";

/** A line of the results object, one per item, in order. */
export interface BatchResult {
  index: number;
  /** The item's run; absent when it has none. Its id on the wire is `run_` and the name. */
  run?: { name: string; uid: string };
  /** Of the run; Failed or Canceled for an item without one. */
  phase: Phase;
  task?: string;
  /** The run existed already, under the item's idempotency key. */
  isCached?: boolean;
  output?: unknown;
  outputRef?: OutputRef;
  error?: RunError;
}

/** An item that has no run of this batch and gets none: a line of the batch's `settled` object. */
export type ItemOutcome =
  | { index: number; kind: "rejected" | "deleted"; message: string }
  /** `phase` is there once that run has finished. */
  | { index: number; kind: "cached"; run: { name: string; uid: string }; phase?: Phase };

export type CachedOutcome = Extract<ItemOutcome, { kind: "cached" }>;

const strictItem = batchItem.strict();
const payloadFields = ["payload", "payloadData", "payloadType", "payloadRef"] as const;

/** Why the item is not valid, naming the field; checks that only the API server has are left to it. */
export function itemProblem(item: unknown): string | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item))
    return "an item must be a JSON object";
  // A long payload goes to the bucket before the TaskRun is created.
  const { payloadData: _long, ...rest } = item as BatchItem;
  const parsed = strictItem.safeParse(rest);
  if (parsed.success) return undefined;
  return parsed.error.issues
    .map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : message))
    .join("; ");
}

/**
 * The item over the defaults. A payload replaces the default one as a whole; task and container exclude each
 * other.
 */
export function withDefaults(item: BatchItem, defaults: BatchItem = {}): BatchItem {
  const base = { ...defaults };
  if (hasPayload(item)) for (const field of payloadFields) delete base[field];
  if (item.task !== undefined) delete base.container;
  if (item.container !== undefined) delete base.task;
  return { ...base, ...item };
}

export const hasPayload = (item: BatchItem): boolean =>
  item.payload !== undefined || item.payloadData !== undefined || item.payloadRef !== undefined;

/** The payload as text; undefined when there is none or it is in the bucket. */
export function inlinePayload(item: BatchItem): string | undefined {
  if (item.payloadData !== undefined) return item.payloadData;
  return item.payload === undefined ? undefined : JSON.stringify(item.payload);
}

export function payloadBytes(item: BatchItem): number {
  const text = inlinePayload(item);
  return text === undefined ? (item.payloadRef?.size ?? 0) : new TextEncoder().encode(text).length;
}

/** The API server gives it its uid. */
type NewTaskRun = Omit<TaskRun, "metadata"> & { metadata: Omit<ObjectMeta, "uid"> };

export const batchRunName = (batch: string, index: number): string => `${batch}-${index}`;

export function batchRun(batch: TaskBatch, index: number, item: BatchItem, name: string): NewTaskRun {
  const { metadata, kind } = batch;
  const { namespace, uid } = metadata;
  const spec: TaskRunSpec = { ...item, batch: { name: metadata.name, index } };
  if (batch.spec.parent) spec.parent = batch.spec.parent;
  const ttl = batch.spec.ttlSecondsAfterFinished;
  if (ttl !== undefined) spec.ttlSecondsAfterFinished = ttl;
  const newMetadata = {
    name,
    namespace,
    labels: { [originLabel]: "batch", [batchLabel]: metadata.name },
    ownerReferences: [{ apiVersion, kind, name: metadata.name, uid, controller: true }],
  };
  return { apiVersion, kind: "TaskRun", metadata: newMetadata, spec };
}

export const isRunOf = (batch: TaskBatch, run: TaskRun): boolean =>
  run.metadata.ownerReferences?.some(({ uid }) => uid === batch.metadata.uid) ?? false;

export function resultOf(index: number, run: TaskRun, isCached?: boolean): BatchResult {
  const { metadata, spec, status } = run;
  return {
    index,
    run: { name: metadata.name, uid: metadata.uid },
    phase: status?.phase ?? "Queued",
    task: spec.task,
    ...(isCached ? { isCached } : {}),
    output: status?.output,
    outputRef: status?.outputRef,
    error: status?.error ?? errorFor(run),
  };
}

/** A run that did not complete has an error, even where no code threw. */
function errorFor({ status }: TaskRun): RunError | undefined {
  if (!status || status.phase === "Completed") return undefined;
  return { name: status.reason ?? status.phase ?? "Unknown", message: status.message ?? "" };
}
