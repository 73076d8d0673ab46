/** The payload in a run's spec, as the text that its attempts get. */
import { createHash } from "node:crypto";
import type { TaskRunSpec } from "../model/resources.ts";

export interface PayloadSummary {
  bytes: number;
  sha256: string;
}

/** Undefined when the run has none in its spec. */
export function payloadText(spec: TaskRunSpec): string | undefined {
  if (spec.payloadData !== undefined) return spec.payloadData;
  return spec.payload === undefined ? undefined : JSON.stringify(spec.payload);
}

export function summarize(text: string): PayloadSummary {
  return { bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}

export const payloadEditedText = "spec.payload changed after the run was accepted: create another TaskRun";
