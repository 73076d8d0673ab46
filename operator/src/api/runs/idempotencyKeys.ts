/** POST /api/v1/idempotencyKeys/<key>/reset: the next trigger with the key creates a run again. */
import { keyResetAnnotation } from "@fairlead/protocol/labels";
import { Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { holdsKey } from "../../model/keys/idempotency.ts";
import { TaskRuns } from "../../model/kinds.ts";
import { liveGenerations, type RunKey, readRecordOf, writeRecordOf } from "../../runs/keyedRun.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { manageOr } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { bodyOf, param } from "../http/input.ts";
import { notFound } from "../http/problem.ts";

interface KeyDeps {
  client: Pick<KubeClient, "get" | "patch">;
  store: Stores<"get" | "list" | "put" | "unreadable">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const keyResetBody = z.strictObject({ taskIdentifier: z.string().min(1).max(128) });

export function idempotencyKeysRouter(deps: KeyDeps): Router {
  const router = Router();
  router.post("/api/v1/idempotencyKeys/:key/reset", manageOr("write", "runs"), async (request, response) => {
    const { taskIdentifier: task } = await bodyOf(keyResetBody, request);
    const key: RunKey = { namespace: callerIn(response).namespace, task, key: param(request, "key") };
    if (!(await freeKey(deps, key))) throw notFound(`run of task ${task} with this idempotency key`);
    response.json({ id: key.key });
  });
  return router;
}

/** False when no run has, or had, the key. */
async function freeKey({ client, store, clock }: KeyDeps, key: RunKey): Promise<boolean> {
  const record = await readRecordOf(store, key);
  if (record && !record.freed) await writeRecordOf(store, key, { ...record, freed: true });
  let found = record !== undefined;
  for (const { name } of liveGenerations(key, record)) {
    const run = await client.get(TaskRuns, key.namespace, name);
    if (!run) break;
    found = true;
    if (!holdsKey(run, clock())) continue;
    const metadata = { uid: run.metadata.uid, annotations: { [keyResetAnnotation]: "true" } };
    await client.patch(TaskRuns, key.namespace, name, { metadata }, { type: "merge" });
  }
  return found;
}
