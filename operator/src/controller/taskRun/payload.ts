/**
 * Whether a run's payload can be used. The cache keeps a summary only (size and SHA-256); it is compared with
 * what was accepted before the Job is created, and by the API when it hands the payload over, so that a
 * payload edited after creation fails the run instead of running something else.
 */
import { maxPayloadBytes, maxResourcePayloadBytes } from "@fairlead/protocol/limits";
import { ownKeyProblem } from "../../model/keys/objectKey.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { payloadEditedText } from "../../runs/payloadText.ts";
import type { CachedRun } from "./cache.ts";

/** Why the run's payload cannot be used; undefined when it can. */
export function payloadProblem(run: CachedRun): { reason: string; message: string } | undefined {
  const { spec } = run;
  if (run.payload && spec.payloadRef) {
    return {
      reason: "InvalidPayload",
      message: "Set at most one of spec.payload, spec.payloadData and spec.payloadRef.",
    };
  }
  if (run.payload && run.payload.bytes > maxResourcePayloadBytes) {
    return {
      reason: "PayloadTooLarge",
      message: `spec.payload has ${run.payload.bytes} bytes, at most ${maxResourcePayloadBytes} fit into the resource: put it into the bucket and name it in spec.payloadRef.`,
    };
  }
  const foreign = spec.payloadRef && ownKeyProblem(run.metadata.namespace, spec.payloadRef.key);
  if (foreign)
    return { reason: "InvalidPayload", message: `spec.payloadRef.key: ${spec.payloadRef?.key} ${foreign}.` };
  const size = spec.payloadRef?.size ?? 0;
  if (size > maxPayloadBytes) {
    return {
      reason: "PayloadTooLarge",
      message: `spec.payloadRef.size is ${size} bytes, a payload has at most ${maxPayloadBytes}.`,
    };
  }
  return undefined;
}

/** Whether spec.payload differs from what was accepted; what was accepted is kept nowhere. */
export const isPayloadEdited = ({ payload, status }: CachedRun): boolean =>
  status?.phase !== undefined && payload?.sha256 !== status.payloadDigest;

/**
 * What ends a run that has not started and cannot start with its payload: it was edited, or an earlier
 * release accepted what this one refuses.
 */
export function unusablePayload(run: CachedRun): Extract<RunEvent, { type: "Rejected" }> | undefined {
  if (isPayloadEdited(run)) return { type: "Rejected", reason: "PayloadChanged", message: payloadEditedText };
  const problem = payloadProblem(run);
  return problem && { type: "Rejected", ...problem };
}
