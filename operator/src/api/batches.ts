/**
 * Batches. In two phases (SDK 4.3 and later): create, then stream the items; the batch is sealed when the last one is
 * there. Or in one (older SDKs): all items in the body.
 *
 *   POST /api/v3/batches                 {runCount, …}                → 202 {id, runCount, isCached}
 *   POST /api/v3/batches/<id>/items      one JSON object per line     → {id, itemsAccepted, itemsDeduplicated, sealed}
 *   POST /api/v2/tasks/batch, /api/v1/tasks/batch   {items}
 *   GET  /api/v2/batches/<id>, /api/v1/batches/<id>; GET /api/v1/batches/<id>/results
 *
 * batchReceiver.ts takes the items.
 */
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/client.ts";
import { TaskBatches } from "../kube/resources.ts";
import { newName, runId } from "../model/ids.ts";
import { apiVersion, originLabel, type TaskBatch } from "../model/resources.ts";
import { batchItemLimit } from "../model/schema/taskBatch.ts";
import { readResults } from "../storage/batchItems.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { allow, allowSome, type Caller, publicToken } from "./auth.ts";
import { BatchReceiver, itemsOf, triggerScopes } from "./batchReceiver.ts";
import { requestName } from "./createRun.ts";
import { bodyOf, nameIn, param } from "./input.ts";
import { notFound, Problem } from "./problem.ts";
import type { RunReader } from "./runReader.ts";
import { batchObject, resultObject } from "./wire/batchObject.ts";
import { triggerBody } from "./wire/triggerBody.ts";

export interface BatchDeps {
  client: Pick<KubeClient, "create" | "get" | "patch">;
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
    const caller = allowSome(response, ...triggerScopes);
    const body = bodyOf(batchCreateBody, request);
    const { batch, isCached } = await createBatch(deps, caller, request, body.runCount, body);
    const id = `batch_${batch.metadata.name}`;
    await sign(response, caller, id);
    response.status(202).json({ id, runCount: body.runCount, isCached, idempotencyKey: body.idempotencyKey });
  });

  router.post("/api/v3/batches/:id/items", async (request, response) => {
    if (!request.is("application/x-ndjson"))
      throw new Problem(415, "Content-Type: application/x-ndjson is needed");
    const caller = allowSome(response, ...triggerScopes);
    const batch = await find(deps, caller.namespace, request);
    const receiver = new BatchReceiver(deps, batch, caller);
    for await (const one of itemsOf(request, deps.limits.bodyBytes)) await receiver.take(one);
    response.json({ id: `batch_${batch.metadata.name}`, ...(await receiver.end()) });
  });

  for (const version of ["v1", "v2"]) {
    router.post(`/api/${version}/tasks/batch`, async (request, response) => {
      const caller = allowSome(response, ...triggerScopes);
      const { items, ...options } = bodyOf(batchOneShotBody, request);
      const key = options.idempotencyKey ?? request.get("idempotency-key");
      const count = items.length;
      const { batch, isCached } = await createBatch(deps, caller, request, count, {
        ...options,
        idempotencyKey: key,
      });
      const receiver = new BatchReceiver(deps, batch, caller);
      for (const [index, one] of items.entries()) await receiver.take({ ...one, index });
      await receiver.end();
      const id = `batch_${batch.metadata.name}`;
      await sign(response, caller, id);
      response.set("x-trigger-jwt-claims", JSON.stringify({ sub: caller.namespace, pub: true }));
      const runs = items.map(({ task }, index) => {
        return { id: runId(`${batch.metadata.name}-${index}`), taskIdentifier: task, isCached: false };
      });
      response.json(version === "v1" ? { id, isCached, idempotencyKey: key, runs } : { id, runCount: count });
    });
    router.get(`/api/${version}/batches/:id`, async (request, response) => {
      const batch = await read(deps, request, response);
      response.json(batchObject(batch));
    });
  }

  router.get("/api/v1/batches/:id/results", async (request, response) => {
    const batch = await read(deps, request, response);
    if (!batch.status?.resultsRef) throw new Problem(404, "The batch has not finished", { retry: false });
    const results = await readResults(deps.store, batch.status.resultsRef);
    response.json({ id: `batch_${batch.metadata.name}`, items: results.map(resultObject) });
  });

  return router;
}

const sign = async (response: Response, caller: Caller, id: string): Promise<void> => {
  response.set("x-trigger-jwt", await publicToken(caller, [`read:batch:${id}`]));
};

/** The name is made from the batch's key, else from the client's request: one that is there is the same batch. */
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
  const name = idempotencyKey
    ? requestName(namespace, "batch-key", idempotencyKey)
    : call
      ? requestName(namespace, "batch", call)
      : newName();
  const body = {
    apiVersion,
    kind: "TaskBatch",
    metadata: { name, namespace, labels: { [originLabel]: "api" } } as unknown as TaskBatch["metadata"],
    spec: { expectedCount: count, ...(maxConcurrency ? { maxConcurrency } : {}) },
  };
  try {
    return { batch: await deps.client.create(TaskBatches, namespace, body), isCached: false };
  } catch (error) {
    if (!KubeError.is(error, "AlreadyExists")) throw error;
  }
  const batch = await deps.client.get(TaskBatches, namespace, name);
  if (!batch) throw new Problem(503, "The batch went away in this moment: try again");
  // One whose items never came is not there yet: whoever has them sends them.
  return { batch, isCached: idempotencyKey !== undefined && batch.status?.sealedAt !== undefined };
}

async function read(deps: BatchDeps, request: Request, response: Response): Promise<TaskBatch> {
  const { namespace } = allow(response, `read:batch:${param(request, "id")}`);
  return find(deps, namespace, request);
}

async function find({ client }: BatchDeps, namespace: string, request: Request): Promise<TaskBatch> {
  const name = nameIn(param(request, "id"), "batch_");
  const isName = /^[a-z0-9]([-a-z0-9.]{0,51}[a-z0-9])?$/.test(name);
  const batch = isName ? await client.get(TaskBatches, namespace, name) : undefined;
  if (!batch) throw notFound(`batch batch_${name}`);
  return batch;
}
