/**
 * Batches. In two phases (SDK 4.3 and later): create, then stream the items; the batch is sealed when the last one is
 * there. Or in one (older SDKs): all items in the body.
 *
 *   POST /api/v3/batches                 {runCount, …}                → 202 {id, runCount, isCached}
 *   POST /api/v3/batches/<id>/items      one JSON object per line     → {id, itemsAccepted, itemsDeduplicated, sealed}
 *   POST /api/v2/tasks/batch, /api/v1/tasks/batch   {items}
 *   GET  /api/v2/batches/<id>, /api/v1/batches/<id>; GET /api/v1/batches/<id>/results
 *
 * batchReceiver.ts takes the items. To a batch that is sealed nothing is written, whoever sends what: it is answered as
 * it is.
 */
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/client.ts";
import { TaskBatches } from "../kube/resources.ts";
import { batchRunName, isRunOf, withDefaults } from "../model/batchRun.ts";
import { keyedRunName } from "../model/idempotency.ts";
import { newName, runId } from "../model/ids.ts";
import { apiVersion, type BatchItem, originLabel, type TaskBatch } from "../model/resources.ts";
import { batchItemLimit } from "../model/schema/taskBatch.ts";
import { readBatchHistory } from "../storage/batchHistory.ts";
import { readItems, readOutputs, readResults, readSettled } from "../storage/batchItems.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { allow, allowSome, type Caller, callerIn, publicToken } from "./auth.ts";
import { BatchReceiver, batchScopes, demandTask, itemsOf, readAway, refuseAborted } from "./batchReceiver.ts";
import { requestName } from "./createRun.ts";
import { bodyOf, nameIn, param } from "./input.ts";
import { notFound, Problem } from "./problem.ts";
import type { RunReader } from "./runReader.ts";
import { batchObject, resultObject } from "./wire/batchObject.ts";
import { triggerBody } from "./wire/triggerBody.ts";

export interface BatchDeps {
  client: Pick<KubeClient, "create" | "delete" | "get" | "patch">;
  store: ObjectStore;
  reader: RunReader;
  limits: { bodyBytes: number };
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export const batchCreateBody = z.object({
  runCount: z.int().min(1).max(batchItemLimit, `a batch has at most ${batchItemLimit} items: make several`),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  /** Fairlead's own: how many runs of the batch may be unfinished at once. */
  maxConcurrency: z.int().min(1).max(batchItemLimit).optional(),
  parentRunId: z.string().optional(),
  resumeParentOnCompletion: z.boolean().optional(),
});

export const batchOneShotBody = batchCreateBody.partial().extend({
  items: z
    .array(triggerBody.extend({ task: z.string().min(1).max(128) }))
    .min(1, "a batch needs an item")
    .max(batchItemLimit, `a batch has at most ${batchItemLimit} items: make several`),
});

export function batchesRouter(deps: BatchDeps): Router {
  const router = Router();

  router.post("/api/v3/batches", async (request, response) => {
    const caller = allowSome(response, ...batchScopes(callerIn(response)));
    const body = bodyOf(batchCreateBody, request);
    const { batch, isCached } = await createBatch(deps, caller, request, body.runCount, body);
    const id = idOf(batch);
    await sign(response, caller, id);
    const runCount = batch.spec.expectedCount;
    response.status(202).json({ id, runCount, isCached, idempotencyKey: body.idempotencyKey });
  });

  router.post("/api/v3/batches/:id/items", async (request, response) => {
    if (!request.is("application/x-ndjson"))
      throw new Problem(415, "Content-Type: application/x-ndjson is needed");
    const caller = allowSome(response, ...batchScopes(callerIn(response)));
    const batch = await find(deps, caller.namespace, request);
    const { items: inline, itemsRef, expectedCount } = batch.spec;
    if (inline || itemsRef || expectedCount === undefined)
      throw new Problem(422, `${idOf(batch)} has its items: it was not made to receive any`);
    refuseAborted(batch);
    const { bodyBytes } = deps.limits;
    if (batch.status?.sealedAt) {
      await readAway(request, bodyBytes);
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
      const caller = allowSome(response, ...batchScopes(callerIn(response)));
      const { items, ...options } = bodyOf(batchOneShotBody, request);
      const key = options.idempotencyKey ?? request.get("idempotency-key");
      for (const { task } of items) demandTask(caller, task);
      const wanted = { ...options, idempotencyKey: key };
      const { batch, isCached } = await createBatch(deps, caller, request, items.length, wanted);
      refuseAborted(batch);
      if (!batch.status?.sealedAt) {
        const receiver = new BatchReceiver(deps, batch, caller);
        for (const [index, one] of items.entries()) await receiver.take({ ...one, index });
        await receiver.end();
      }
      const id = idOf(batch);
      await sign(response, caller, id);
      response.set("x-trigger-jwt-claims", JSON.stringify({ sub: caller.namespace, pub: true }));
      if (version === "v2") return void response.json({ id, runCount: batch.spec.expectedCount });
      const runs = (await foreseenRuns(deps, batch)).map((run) => ({ ...run, isCached }));
      response.json({ id, isCached, idempotencyKey: key, runs });
    });
    router.get(`/api/${version}/batches/:id`, async (request, response) => {
      const batch = await read(deps, request, response);
      const [runs, tasks] = await Promise.all([runNames(deps, batch), tasksOfErrors(deps, batch)]);
      response.json(batchObject(batch, { runs: [...runs.values()], tasks }));
    });
  }

  router.get("/api/v1/batches/:id/results", async (request, response) => {
    const batch = await read(deps, request, response);
    if (!batch.status?.resultsRef) throw new Problem(404, "The batch has not finished", { retry: false });
    const results = await readResults(deps.store, batch.status.resultsRef);
    const outputs = await readOutputs(deps.store, results);
    const items = results.map((result) => resultObject(result, outputs.get(result.index)));
    response.json({ id: idOf(batch), items });
  });

  return router;
}

const idOf = ({ metadata }: TaskBatch): string => `batch_${metadata.name}`;

const sign = async (response: Response, caller: Caller, id: string): Promise<void> => {
  response.set("x-trigger-jwt", await publicToken(caller, [`read:batch:${id}`]));
};

/** How often a key may have been free again. */
const generationLimit = 1000;

/**
 * The name is made from the batch's key, else from the client's request: one that is there is the same batch, and so is
 * one that went, of a key or of a token for one use. A key whose batch was aborted is free for the next generation.
 */
async function createBatch(
  deps: BatchDeps,
  { namespace, oneTime }: Caller,
  request: Request,
  count: number,
  { idempotencyKey, maxConcurrency, resumeParentOnCompletion }: Partial<z.infer<typeof batchCreateBody>>,
): Promise<{ batch: TaskBatch; isCached: boolean }> {
  if (resumeParentOnCompletion) {
    throw new Problem(422, "resumeParentOnCompletion: waiting for a batch is not supported by Fairlead yet");
  }
  if (oneTime !== undefined && idempotencyKey !== undefined)
    throw new Problem(422, "idempotencyKey: not with a token for one use, which makes one batch anyway");
  const call = oneTime ?? request.get("x-trigger-request-idempotency-key");
  const first = idempotencyKey
    ? requestName(namespace, "batch-key", idempotencyKey)
    : call
      ? requestName(namespace, "batch", call)
      : newName();
  for (let generation = 0, name = first; generation < generationLimit; ) {
    const made = await createNamed(deps, namespace, name, { expectedCount: count, maxConcurrency });
    const isLasting = idempotencyKey !== undefined || oneTime !== undefined;
    const went = isLasting && !made.batch.status?.sealedAt ? await replaced(deps, made.batch) : undefined;
    if (made.isNew && !went) return { batch: made.batch, isCached: false };
    const batch = went ?? made.batch;
    if (idempotencyKey !== undefined && batch.status?.phase === "Aborted") {
      name = requestName(namespace, "batch-key", idempotencyKey, String(++generation));
      continue;
    }
    // One whose items never came is not there yet: whoever has them sends them.
    const isSealed = batch.status?.sealedAt !== undefined;
    if (!isSealed && batch.spec.expectedCount !== count) {
      throw new Problem(
        422,
        `${idOf(batch)} was made for ${batch.spec.expectedCount} items and waits for them: they are not ${count}`,
      );
    }
    return { batch, isCached: idempotencyKey !== undefined && isSealed };
  }
  throw new Problem(409, "idempotencyKey: used too often, choose another one");
}

/**
 * The batch of the same name that went, in whose place this one was made: that one is taken away again. Only afterwards
 * is it sure that there is none, because a batch becomes history before it goes.
 */
async function replaced({ client, store }: BatchDeps, batch: TaskBatch): Promise<TaskBatch | undefined> {
  const { namespace, name, uid } = batch.metadata;
  const went = await readBatchHistory(store, namespace, name);
  if (went) await client.delete(TaskBatches, namespace, name, { uid });
  return went;
}

async function createNamed(
  { client }: BatchDeps,
  namespace: string,
  name: string,
  spec: TaskBatch["spec"],
): Promise<{ batch: TaskBatch; isNew: boolean }> {
  const metadata = { name, namespace, labels: { [originLabel]: "api" } } as unknown as TaskBatch["metadata"];
  try {
    const batch = await client.create(TaskBatches, namespace, {
      apiVersion,
      kind: "TaskBatch",
      metadata,
      spec,
    });
    return { batch, isNew: true };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  const batch = await client.get(TaskBatches, namespace, name);
  if (!batch) throw new Problem(503, "The batch went away in this moment: try again");
  return { batch, isNew: false };
}

/** The runs that stand for items, by index, as far as they are known: of a batch under way those that were seen. */
async function runNames({ store, reader }: BatchDeps, batch: TaskBatch): Promise<Map<number, string>> {
  const { metadata, status = {} } = batch;
  const names = new Map<number, string>();
  if (status.resultsRef) {
    for (const { index, run } of await readResults(store, status.resultsRef)) {
      if (run) names.set(index, run.name);
    }
    return names;
  }
  for (const run of reader.runsOfBatch(metadata.namespace, metadata.name)) {
    if (run.spec.batch && isRunOf(batch, run)) names.set(run.spec.batch.index, run.metadata.name);
  }
  const settled = status.settled ? await readSettled(store, metadata) : undefined;
  for (const outcome of settled?.values() ?? []) {
    if (outcome.kind === "cached") names.set(outcome.index, outcome.run.name);
  }
  return new Map([...names].sort(([a], [b]) => a - b));
}

/** A run for each item, also while there are none: by the names that they are going to have. */
async function foreseenRuns(deps: BatchDeps, batch: TaskBatch) {
  const known = await runNames(deps, batch);
  const { namespace, name } = batch.metadata;
  const foreseen = (index: number, { task = "", idempotencyKey: key }: BatchItem): string =>
    key === undefined ? batchRunName(name, index) : keyedRunName(namespace, task, key, 0);
  const runs: { id: string; taskIdentifier: string | undefined }[] = [];
  for await (const { index, item = {} } of readItems(deps.store, batch)) {
    runs.push({ id: runId(known.get(index) ?? foreseen(index, item)), taskIdentifier: item.task });
  }
  return runs;
}

/** The tasks of the items that no run could be made of. */
async function tasksOfErrors({ store }: BatchDeps, batch: TaskBatch): Promise<Map<number, string>> {
  const tasks = new Map<number, string>();
  const wanted = new Set(batch.status?.errors?.map(({ index }) => index));
  for await (const { index, item } of readItems(store, batch, wanted)) {
    const task: unknown = withDefaults(item ?? {}, batch.spec.defaults).task;
    if (typeof task === "string") tasks.set(index, task);
  }
  return tasks;
}

async function read(deps: BatchDeps, request: Request, response: Response): Promise<TaskBatch> {
  const { namespace } = allow(response, `read:batch:${param(request, "id")}`);
  return find(deps, namespace, request);
}

async function find({ client, store }: BatchDeps, namespace: string, request: Request): Promise<TaskBatch> {
  const name = nameIn(param(request, "id"), "batch_");
  const isName = /^[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?$/.test(name);
  if (!isName) throw notFound(`batch batch_${name}`);
  const live = await client.get(TaskBatches, namespace, name);
  const batch = live ?? (await readBatchHistory(store, namespace, name));
  if (!batch) throw notFound(`batch batch_${name}`);
  return batch;
}
