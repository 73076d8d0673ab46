/**
 * Before a run's first admission: was its key, or its name, used already?
 *
 * - A keyed run must have the name that is derived from its key. Its live predecessors are ruled out by the
 *   names; the retired ones by the record in the bucket: a generation that was used is not used again.
 * - An applied run with `ttlSecondsAfterFinished` has its name as its key: applied again after it was
 *   retired, it takes the result that it had.
 *
 * While the bucket is down such a run waits, and says so: the error makes the work queue try again. Any other
 * run costs no request.
 */
import type { TaskRunStatus } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { readKeyRecord } from "../../storage/keyRecord.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { readHistory } from "../../storage/runHistory.ts";
import { unlessUnreadable } from "../../storage/stored.ts";
import type { Deps } from "../deps.ts";
import type { CachedRun } from "./cache.ts";
import { generationOf, nameProblem, recordHash } from "./keyRecords.ts";

/** Object storage does not tell whether a key was used before. */
export class UnknownKeyError extends Error {
  override readonly name = "UnknownKeyError";
}

function unknownKey(cause: unknown): never {
  throw new UnknownKeyError(`a key's record was not read: ${String(cause)}`, { cause });
}

/** The result is of what that run was asked, whatever this one asks. */
function payloadNote({ payload }: CachedRun, original: { status?: TaskRunStatus } | undefined): string {
  const isOther = original?.status && original.status.payloadDigest !== payload?.sha256;
  return isOther ? " Its payload was another one: a new name, or a new key, runs this one." : "";
}

/** The event that ends the run without an attempt; undefined when it may run. */
export async function duplicateOf(
  deps: Pick<Deps, "clock"> & { store: Stores<"get" | "list" | "unreadable"> },
  run: CachedRun,
): Promise<RunEvent | undefined> {
  const hash = recordHash(run);
  if (!hash) return undefined;
  const { namespace, name, uid } = run.metadata;
  const misnamed = nameProblem(run);
  if (misnamed) return misnamed;
  const record = await readKeyRecord(deps.store, namespace, hash).catch(unknownKey);
  if (!record || record.run.uid === uid || Date.parse(record.expiresAt) <= deps.clock()) return undefined;
  if (record.generation < generationOf(run)) return undefined;
  const original = await readHistory(deps.store, namespace, record.run)
    .catch(unlessUnreadable)
    .catch(unknownKey);
  const what = run.spec.idempotencyKey === undefined ? `The name ${name}` : "The idempotency key";
  return {
    type: "Duplicate",
    original: record.run,
    phase: record.phase,
    message: `${what} was used by an earlier run, which ended ${record.phase}; this one has its result and did not run.${payloadNote(run, original)}`,
    output: original?.status?.output,
    outputRef: original?.status?.outputRef,
    error: original?.status?.error,
  };
}
