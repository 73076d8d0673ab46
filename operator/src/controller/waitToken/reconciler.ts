/**
 * A WaitToken: it says that it waits, until somebody completes it; else it times out. One that the API made
 * is deleted some time after its end, and not before its key is free. Both writes are checked by the API
 * server against what the token is then: whoever completes it in the same moment may be first.
 */
import { originLabel } from "@fairlead/protocol/labels";
import { KubeError } from "../../kube/client/client.ts";
import { at, done, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { replaceStatus } from "../../kube/status.ts";
import { WaitTokens } from "../../model/kinds.ts";
import type { WaitToken, WaitTokenStatus } from "../../model/resources.ts";
import { isTokenSettled, keyExpiresAt } from "../../model/waitToken.ts";
import { type Deps, isoNow } from "../deps.ts";

export type WaitTokenDeps = Pick<Deps, "client" | "waitTokens" | "clock" | "config">;

export async function reconcileWaitToken(deps: WaitTokenDeps, key: string): Promise<Requeue> {
  const token = deps.waitTokens.get(...splitKey(key));
  if (!token || token.metadata.deletionTimestamp) return done;
  const status = statusOf(token, isoNow(deps));
  const written = await replaceStatus(deps.client, deps.waitTokens, WaitTokens, token, status);
  // It has changed, which brings its key back.
  if (!written) return done;
  if (!isTokenSettled(written))
    return at(Date.parse(written.spec.timeoutAt ?? "") || Number.POSITIVE_INFINITY);
  const due = deletionDue(written, deps.config.retentionSeconds);
  if (deps.clock() < due) return at(due);
  await remove(deps, written);
  return done;
}

/** What it should be at this time. */
export function statusOf({ spec, status }: WaitToken, now: string): WaitTokenStatus {
  const { state = "Waiting", output, completedAt = now } = status ?? {};
  if (state !== "Waiting") return { state, output, completedAt };
  const isDue = spec.timeoutAt !== undefined && Date.parse(spec.timeoutAt) <= Date.parse(now);
  return isDue ? { state: "TimedOut", completedAt: now } : { state };
}

/** Infinity: never. */
export function deletionDue(token: WaitToken, retentionSeconds: number): number {
  if (token.metadata.labels?.[originLabel] === undefined) return Number.POSITIVE_INFINITY;
  const { completedAt = "" } = token.status ?? {};
  return Math.max(Date.parse(completedAt) + retentionSeconds * 1000, keyExpiresAt(token) ?? 0);
}

async function remove({ client }: WaitTokenDeps, { metadata }: WaitToken): Promise<void> {
  const { namespace, name, uid } = metadata;
  try {
    await client.delete(WaitTokens, namespace, name, { uid });
  } catch (error) {
    if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
  }
}
