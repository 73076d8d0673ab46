/**
 * A token for one use makes one run, or one batch. The first use decides which (storage/tokenUse.ts),
 * whatever its route and its replica; each later one is answered with what the first has made.
 */
import { digest } from "../../model/keys/names.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { firstUse } from "../../storage/tokenUse.ts";
import type { Caller } from "../http/caller.ts";
import { Problem } from "../http/problem.ts";

/** After this time a use has not broken off: what it made was deleted, or its history is over. */
const brokenOffMs = 3_600_000;

export const wasUsed = (): Problem =>
  new Problem(403, "Unauthorized: the token is for one use, and was used: make a new one", {
    code: "unauthorized",
  });

/** Whether the run or batch of this name may still be made. Throws when the token was used for another. */
export async function mayMake(
  { store, clock }: { store: Stores<"get" | "put" | "putNew" | "unreadable">; clock: () => number },
  { namespace, tokenHash = "", expiresAt = 0 }: Caller,
  name: string,
): Promise<boolean> {
  const hash = digest("one-time", tokenHash);
  const use = { namespace, hash, name, nowMs: clock(), untilMs: expiresAt };
  const first = await firstUse(store, use);
  if (first.name !== name) throw wasUsed();
  return clock() - first.atMs < brokenOffMs;
}
