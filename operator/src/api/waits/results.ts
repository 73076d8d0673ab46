/** How what an attempt waited for ended, as the SDK reads it: a run, a batch, a token or a time. */
import { batchId, idPrefix } from "@fairlead/protocol/ids";
import { ownRef } from "../../model/keys/objectKey.ts";
import type { TaskBatch, TaskRun, WaitToken } from "../../model/resources.ts";
import { tokenResult } from "../../model/waitToken.ts";
import { readOutputs, readResults } from "../../storage/batchItems.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { resultObject } from "../batches/wire/batchObject.ts";
import { nameIn, runOfId } from "../http/input.ts";
import { loadResult } from "../runs/result.ts";
import { timeOfId } from "./awaited.ts";

export interface ResultDeps {
  store: Stores<"get" | "unreadable">;
  reader: { get(namespace: string, name: string, uid?: string): Promise<TaskRun | undefined> };
  findBatch(namespace: string, name: string): Promise<TaskBatch | undefined>;
  findToken(namespace: string, name: string): Promise<WaitToken | undefined>;
}

export async function resultOf(deps: ResultDeps, namespace: string, id: string): Promise<object> {
  if (id.startsWith(idPrefix.run)) return resultOfRun(deps, namespace, id);
  if (id.startsWith(idPrefix.batch)) return resultOfBatch(deps, namespace, id);
  if (timeOfId(id) !== undefined) return { id, ok: true };
  const token = await deps.findToken(namespace, nameIn(id, idPrefix.waitpoint));
  return { id, ...(token ? tokenResult(token) : goneToken(id)) };
}

async function resultOfRun(deps: ResultDeps, namespace: string, id: string): Promise<object> {
  const { name, uid } = runOfId(id);
  const run = await deps.reader.get(namespace, name, uid);
  return run
    ? { ...(await loadResult(deps, run)), id }
    : gone(id, "The run was deleted, or there was none of this id.");
}

async function resultOfBatch(deps: ResultDeps, namespace: string, id: string): Promise<object> {
  const batch = await deps.findBatch(namespace, nameIn(id, idPrefix.batch));
  const ref = ownRef(namespace, batch?.status?.resultsRef);
  const results = ref && (await readResults(deps.store.of(namespace), ref));
  if (results) {
    const outputs = await readOutputs(deps.store, namespace, results);
    return { id, items: results.map((one) => resultObject(one, outputs.get(one.index))) };
  }
  const { counts, message = "The batch was deleted, or its results were." } = batch?.status ?? {};
  const total = counts?.total ?? batch?.spec.expectedCount ?? 0;
  const items = Array.from({ length: total }, (_, index) => gone(`item_${index}`, message));
  return { id: batch ? batchId(batch.metadata.name) : id, items };
}

const gone = (id: string, message: string) => ({
  ok: false,
  id,
  error: { type: "BUILT_IN_ERROR", name: "NotFound", message, stackTrace: "" },
});

const goneToken = (id: string) => ({
  ok: false,
  output: JSON.stringify({ message: `${id} was deleted, or there was none of this id` }),
  outputType: "application/json",
});
