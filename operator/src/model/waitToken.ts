/**
 * A token that runs wait for. Its status has one way: Waiting, then Completed or TimedOut, for good; whoever
 * writes first decides (the API, kubectl, the controller when its time is over). Pure.
 */
import type { WaitToken } from "./resources.ts";

export const isTokenSettled = ({ status }: WaitToken): boolean =>
  status?.state === "Completed" || status?.state === "TimedOut";

/** What a run that waited for it gets, as the SDK reads it. */
export function tokenResult({ spec, status }: WaitToken): {
  ok: boolean;
  output?: string;
  outputType: string;
} {
  const outputType = "application/json";
  if (status?.state === "TimedOut") {
    const message = `The token timed out at ${spec.timeoutAt ?? status.completedAt}.`;
    return { ok: false, output: JSON.stringify({ code: timeoutCode, message }), outputType };
  }
  const output = status?.output;
  return { ok: true, ...(output === undefined ? {} : { output: JSON.stringify(output) }), outputType };
}

/** What the official SDK knows a timeout by. */
const timeoutCode = "TRIGGER_WAITPOINT_TIMEOUT";

/** When the token's key is free again; undefined: it has none, or keeps it. */
export const keyExpiresAt = ({ spec }: WaitToken): number | undefined =>
  spec.idempotencyKeyExpiresAt === undefined ? undefined : Date.parse(spec.idempotencyKeyExpiresAt);
