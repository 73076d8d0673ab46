/**
 * TaskRuns as the controller's cache holds them: without their payloads, which would fill its memory. What is
 * kept of a payload is its size and its SHA-256, so that a payload that was edited later is noticed.
 */
import { createHash } from "node:crypto";
import type { TaskRun, TaskRunSpec } from "../../model/resources.ts";

export interface CachedRun extends TaskRun {
  /** Absent for a run without a payload in its spec. */
  payload?: PayloadSummary;
}

interface PayloadSummary {
  bytes: number;
  sha256: string;
}

/** Transform of the TaskRun informer. */
export function withoutPayload(run: TaskRun): CachedRun {
  const text = payloadText(run.spec);
  if (text === undefined) return run;
  const { payload: _payload, payloadData: _data, ...spec } = run.spec;
  return { ...run, spec, payload: summarize(text) };
}

/** The payload as text; undefined when the run has none in its spec. */
export function payloadText(spec: TaskRunSpec): string | undefined {
  if (spec.payloadData !== undefined) return spec.payloadData;
  return spec.payload === undefined ? undefined : JSON.stringify(spec.payload);
}

export function summarize(text: string): PayloadSummary {
  return { bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}

/** Values of the index "missingTask": the Task that the run waits for. */
export const missingTaskIndex = ({ metadata, spec, status }: CachedRun): string[] =>
  status?.reason === "TaskNotFound" && spec.task ? [`${metadata.namespace}/${spec.task}`] : [];
