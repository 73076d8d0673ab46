/**
 * The payload, from spec.payload to the attempt.
 *
 * The cache keeps a summary only (size and SHA-256); the Job builder reads the payload live and compares it
 * with what was accepted, so that a payload edited after creation fails the run instead of running something
 * else.
 */
import { maxPayloadBytes, maxPayloadEnvBytes, maxResourcePayloadBytes } from "@fairlead/protocol/limits";
import { fitsVariable } from "../../jobs/attemptEnv.ts";
import type { Program } from "../../jobs/program.ts";
import { ownKeyProblem, ownRef } from "../../model/keys/objectKey.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { payloadKey } from "../../storage/layout.ts";
import type { Deps } from "../deps.ts";
import { type CachedRun, payloadText, summarize } from "./cache.ts";

const linkLifetimeSeconds = 24 * 3600;

interface AttemptPayload {
  text?: string;
  type: string;
  url?: string;
}

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

const editedText = "spec.payload changed after the run was accepted: create another TaskRun";

const foreignText = "spec.payloadRef.key is not of the run's namespace: create another TaskRun";

/** For a run that has not started. */
export const payloadEdited = { type: "Rejected", reason: "PayloadChanged", message: editedText } as const;

/** The payload changed after the run was accepted. */
export class PayloadChanged extends Error {
  override name = "PayloadChanged";
}

/** Whether the attempt's payload is written to the bucket before its Job is created. */
export const uploadsPayload = ({ payload, spec }: CachedRun, { kind }: Pick<Program, "kind">): boolean =>
  payload !== undefined &&
  (kind === "container" ||
    payload.bytes > maxPayloadEnvBytes ||
    spec.payloadType?.startsWith("text/") === true);

/** What the attempt's environment needs to reach the payload. Uploads it when it is read by URL. */
export async function attemptPayload(
  deps: Pick<Deps, "client" | "store">,
  run: CachedRun,
  program: Program,
): Promise<AttemptPayload | undefined> {
  const type = run.spec.payloadType ?? "application/json";
  const { namespace } = run.metadata;
  const link = (key: string) =>
    deps.store.of(namespace).presignGet(key, { expiresSeconds: linkLifetimeSeconds, audience: "cluster" });
  const { payloadRef } = run.spec;
  // Accepted by an earlier release, which did not look.
  if (payloadRef && !ownRef(run.metadata.namespace, payloadRef)) throw new PayloadChanged(foreignText);
  if (payloadRef) return { type, url: await link(payloadRef.key) };
  if (!run.payload) return undefined;
  const live = await deps.client.get(TaskRuns, run.metadata.namespace, run.metadata.name);
  const text = live?.metadata.uid === run.metadata.uid ? payloadText(live.spec) : undefined;
  if (text === undefined || summarize(text).sha256 !== run.status?.payloadDigest) {
    throw new PayloadChanged(editedText);
  }
  const inline = fitsVariable(text) ? text : undefined;
  if (inline !== undefined && program.kind === "task") return { text: inline, type };
  const key = payloadKey(run.metadata);
  await deps.store.of(namespace).put(key, text, { type });
  return { text: inline, type, url: await link(key) };
}
