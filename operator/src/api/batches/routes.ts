/**
 * Batches. In two phases (SDK 4.3 and later): create, then stream the items; the batch is sealed when the
 * last one is there. Or in one (older SDKs): all items in the body.
 *
 *   POST /api/v3/batches                 {runCount, …}                → 202 {id, runCount, isCached}
 *   POST /api/v3/batches/<id>/items      an object a line → {id, itemsAccepted, itemsDeduplicated, sealed}
 *   POST /api/v2/tasks/batch, /api/v1/tasks/batch   {items}
 *   GET  /api/v2/batches/<id>, /api/v1/batches/<id>; GET /api/v1/batches/<id>/results
 *
 * receiver.ts takes the items. A sealed batch does not change any more: items that are sent again are read
 * and dropped, and the answer is the same.
 */
import { batchId, idPrefix, runId } from "@fairlead/protocol/ids";
import { tokenAnnotation } from "@fairlead/protocol/labels";
import { maxBatchItems } from "@fairlead/protocol/limits";
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { batchRunName, isRunOf, withDefaults } from "../../model/batch/item.ts";
import { keyedRunName } from "../../model/keys/idempotency.ts";
import { ownRef } from "../../model/keys/objectKey.ts";
import type { BatchItem, TaskBatch } from "../../model/resources.ts";
import { readItems, readOutcomes, readOutputs, readResults } from "../../storage/batchItems.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { publicToken } from "../auth/auth.ts";
import { allow, allowSome } from "../auth/rights.ts";
import type { Caller } from "../http/caller.ts";
import { bodyOf, nameIn, param, requestKeyOf } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { note } from "../http/requestLog.ts";
import type { RunReader } from "../runs/reader.ts";
import { keyTtlOf } from "../runs/wire/times.ts";
import { triggerBody } from "../runs/wire/triggerBody.ts";
import { createBatch, findBatch, takesItems } from "./create.ts";
import { BatchReceiver, demandTask, drainItems, itemsOf, refuseAborted } from "./receiver.ts";
import { batchObject, resultObject } from "./wire/batchObject.ts";

interface BatchRouteDeps {
  client: Pick<KubeClient, "create" | "delete" | "get" | "patch">;
  store: ObjectStore;
  reader: RunReader;
  limits: { bodyBytes: number; unfinishedRuns?: number };
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const batchCreateBody = z.strictObject({
  runCount: z.int().min(1).max(maxBatchItems, `a batch has at most ${maxBatchItems} items: make several`),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  /** Fairlead's own: how many runs of the batch may be unfinished at once. */
  maxConcurrency: z.int().min(1).max(maxBatchItems).optional(),
  parentRunId: z.string().max(512).optional(),
  resumeParentOnCompletion: z.boolean().optional(),
  // What the official SDKs send by themselves, and nothing here acts on.
  taskIdentifiers: z.array(z.string()).max(maxBatchItems).optional(),
  idempotencyKeyOptions: z.unknown().optional(),
  dependentAttempt: z.string().optional(),
});

export const batchOneShotBody = batchCreateBody.partial().extend({
  items: z
    .array(triggerBody.extend({ task: z.string().min(1).max(128) }))
    .min(1, "a batch needs at least one item")
    .max(maxBatchItems, `a batch has at most ${maxBatchItems} items: make several`),
});

export function batchesRouter(deps: BatchRouteDeps): Router {
  const router = Router();

  router.post("/api/v3/batches", async (request, response) => {
    const caller = allowSome(response, "batchTrigger", "tasks");
    const body = await bodyOf(batchCreateBody, request);
    const requestKey = requestKeyOf(request);
    const { batch, isCached } = await createBatch(deps, caller, { ...body, requestKey });
    const id = idOf(batch);
    await addReadToken(response, caller, id);
    const runCount = batch.spec.expectedCount;
    response.status(202).json({ id, runCount, isCached, idempotencyKey: body.idempotencyKey });
  });

  router.post("/api/v3/batches/:id/items", async (request, response) => {
    if (!request.is("application/x-ndjson"))
      throw new Problem(415, "Content-Type: not application/x-ndjson: send one JSON object per line");
    const caller = allowSome(response, "batchTrigger", "tasks");
    const batch = await findInPath(deps, caller.namespace, request);
    demandOwn(caller, batch);
    const { items: inline, itemsRef, expectedCount } = batch.spec;
    if (inline || itemsRef || expectedCount === undefined)
      throw new Problem(
        422,
        `${idOf(batch)} has its items already: create a batch with runCount to send some`,
      );
    refuseAborted(batch);
    const { bodyBytes } = deps.limits;
    if (!takesItems(batch)) {
      await drainItems(request, bodyBytes);
      const counts = { itemsAccepted: 0, itemsDeduplicated: expectedCount };
      response.json({ id: idOf(batch), ...counts, sealed: true, expectedCount });
      return;
    }
    const receiver = new BatchReceiver(deps, batch, caller);
    for await (const one of itemsOf(request, bodyBytes)) await receiver.take(one);
    response.json({ id: idOf(batch), ...(await receiver.end()) });
  });

  for (const version of ["v1", "v2"]) {
    router.post(`/api/${version}/tasks/batch`, async (request, response) => {
      const caller = allowSome(response, "batchTrigger", "tasks");
      const { items, ...options } = await bodyOf(batchOneShotBody, request, {
        maxBytes: deps.limits.bodyBytes,
      });
      const key = options.idempotencyKey ?? request.get("idempotency-key");
      for (const { task } of items) demandTask(caller, task);
      const keyTtlSeconds = keyTtlOf(request.get("idempotency-key-ttl"), "idempotency-key-ttl");
      const { batch, isCached } = await createBatch(deps, caller, {
        ...options,
        runCount: items.length,
        idempotencyKey: key,
        keyTtlSeconds,
        requestKey: requestKeyOf(request),
      });
      refuseAborted(batch);
      if (takesItems(batch)) {
        const receiver = new BatchReceiver(deps, batch, caller);
        for (const [index, one] of items.entries()) await receiver.take({ ...one, index });
        await receiver.end();
      }
      const id = idOf(batch);
      await addReadToken(response, caller, id);
      response.set("x-trigger-jwt-claims", JSON.stringify({ sub: caller.namespace, pub: true }));
      if (version === "v2") return void response.json({ id, runCount: batch.spec.expectedCount });
      const runs = (await expectedRuns(deps, batch)).map((run) => ({ ...run, isCached }));
      response.json({ id, isCached, idempotencyKey: key, runs });
    });
    router.get(`/api/${version}/batches/:id`, async (request, response) => {
      const batch = await findReadable(deps, request, response);
      const [runs, tasks] = await Promise.all([loadRunNames(deps, batch), loadTasksOfErrors(deps, batch)]);
      response.json(batchObject(batch, { runs: [...runs.values()], tasks }));
    });
  }

  router.get("/api/v1/batches/:id/results", async (request, response) => {
    const batch = await findReadable(deps, request, response);
    const { namespace } = batch.metadata;
    if (!batch.status?.resultsRef) throw new Problem(404, "The batch has not finished", { retry: false });
    const resultsRef = ownRef(namespace, batch.status.resultsRef);
    const results = resultsRef && (await readResults(deps.store.of(namespace), resultsRef));
    if (!results) throw new Problem(404, "The batch's results were deleted", { retry: false });
    const outputs = await readOutputs(deps.store, namespace, results);
    const items = results.map((result) => resultObject(result, outputs.get(result.index)));
    response.json({ id: idOf(batch), items });
  });

  return router;
}

/** A public token adds items only to what it made. */
function demandOwn({ tokenHash }: Caller, batch: TaskBatch): void {
  if (tokenHash !== undefined && batch.metadata.annotations?.[tokenAnnotation] !== tokenHash)
    throw notFound(`batch ${idOf(batch)}`);
}

const idOf = ({ metadata }: TaskBatch): string => batchId(metadata.name);

const addReadToken = async (response: Response, caller: Caller, id: string): Promise<void> => {
  note(response, { batch: id });
  response.set("x-trigger-jwt", await publicToken(caller, [`read:batch:${id}`]));
};

/**
 * The names of the items' runs by index; of a batch that is being processed, those that this replica has
 * seen.
 */
async function loadRunNames(
  { store, reader }: BatchRouteDeps,
  batch: TaskBatch,
): Promise<Map<number, string>> {
  const { metadata, status = {} } = batch;
  const names = new Map<number, string>();
  const resultsRef = ownRef(metadata.namespace, status.resultsRef);
  if (resultsRef) {
    for (const { index, run } of (await readResults(store.of(metadata.namespace), resultsRef)) ?? []) {
      if (run) names.set(index, run.name);
    }
    return names;
  }
  for (const run of reader.runsOfBatch(metadata.namespace, metadata.name)) {
    if (run.spec.batch && isRunOf(batch, run)) names.set(run.spec.batch.index, run.metadata.name);
  }
  const settled = status.settled ? await readOutcomes(store, metadata) : undefined;
  for (const outcome of settled?.values() ?? []) {
    if (outcome.kind === "cached") names.set(outcome.index, outcome.run.name);
  }
  return new Map([...names].sort(([a], [b]) => a - b));
}

/** A run for each item, also before the runs exist: by the names that they will have. */
async function expectedRuns(deps: BatchRouteDeps, batch: TaskBatch) {
  const known = await loadRunNames(deps, batch);
  const { namespace, name } = batch.metadata;
  const nameOf = (index: number, { task = "", idempotencyKey: key }: BatchItem): string =>
    key === undefined ? batchRunName(name, index) : keyedRunName(namespace, task, key, 0);
  const runs: { id: string; taskIdentifier: string | undefined }[] = [];
  for await (const { index, item = {} } of readItems(deps.store, batch)) {
    runs.push({ id: runId(known.get(index) ?? nameOf(index, item)), taskIdentifier: item.task });
  }
  return runs;
}

/** The tasks of the items that got no run because they are wrong. */
async function loadTasksOfErrors({ store }: BatchRouteDeps, batch: TaskBatch): Promise<Map<number, string>> {
  const tasks = new Map<number, string>();
  const wanted = new Set(batch.status?.errors?.map(({ index }) => index));
  for await (const { index, item } of readItems(store, batch, wanted)) {
    const task: unknown = withDefaults(item ?? {}, batch.spec.defaults).task;
    if (typeof task === "string") tasks.set(index, task);
  }
  return tasks;
}

async function findReadable(deps: BatchRouteDeps, request: Request, response: Response): Promise<TaskBatch> {
  const id = batchId(nameIn(param(request, "id"), idPrefix.batch));
  const { namespace } = allow(response, "read", { batch: id });
  return findInPath(deps, namespace, request);
}

async function findInPath(deps: BatchRouteDeps, namespace: string, request: Request): Promise<TaskBatch> {
  const name = nameIn(param(request, "id"), idPrefix.batch);
  const isName = /^[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?$/.test(name);
  const batch = isName ? await findBatch(deps, namespace, name) : undefined;
  if (!batch) throw notFound(`batch ${batchId(name)}`);
  return batch;
}
