/** What an attempt is given: its payload, and the rest of its context. */
import type { StartAnswer } from "@fairlead/protocol/runnerApi";
import { ownRef } from "../../model/keys/objectKey.ts";
import type { TaskRun } from "../../model/resources.ts";
import { payloadEditedText, payloadText, summarize } from "../../runs/payloadText.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { Problem } from "../http/problem.ts";

const linkSeconds = 15 * 60;

const foreignText = "spec.payloadRef.key is not of the run's namespace: create another TaskRun";

type Payload = { type: string; text: string } | { type: string; key: string };

/** As it was accepted; undefined: the run has none. */
export function payloadOf({ metadata, spec, status }: TaskRun): Payload | undefined {
  const type = spec.payloadType ?? "application/json";
  const text = payloadText(spec);
  const digest = text === undefined ? undefined : summarize(text).sha256;
  if (digest !== status?.payloadDigest) throw new Problem(422, payloadEditedText);
  if (text !== undefined) return { type, text };
  if (!spec.payloadRef) return undefined;
  // Accepted by an earlier release, which did not look; or changed since.
  if (!ownRef(metadata.namespace, spec.payloadRef)) throw new Problem(422, foreignText);
  return { type, key: spec.payloadRef.key };
}

export async function handOver(
  store: Stores<"presignGet">,
  run: TaskRun,
): Promise<Pick<StartAnswer, "payload" | "run">> {
  const payload = payloadOf(run);
  const { tags = [], metadata, idempotencyKey } = run.spec;
  const given = { run: { tags, metadata, idempotencyKey } };
  if (!payload || "text" in payload) return { ...given, payload };
  const { type, key } = payload;
  const options = { expiresSeconds: linkSeconds, audience: "cluster" } as const;
  const url = await store.of(run.metadata.namespace).presignGet(key, options);
  return { ...given, payload: { type, url } };
}
