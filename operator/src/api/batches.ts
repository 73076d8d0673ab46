/**
 * Batches. In two phases (SDK 4.3 and later): create, then stream the items; the batch is sealed when the last one is
 * there. Or in one (older SDKs): all items in the body.
 *
 *   POST /api/v3/batches                 {runCount, …}                → 202 {id, runCount, isCached}
 *   POST /api/v3/batches/<id>/items      one JSON object per line     → {id, itemsAccepted, itemsDeduplicated, sealed}
 *   POST /api/v2/tasks/batch, /api/v1/tasks/batch   {items}
 *   GET  /api/v2/batches/<id>, /api/v1/batches/<id>; GET /api/v1/batches/<id>/results
 *
 * Items are staged in the bucket in chunks that are never overwritten. A stream that breaks off leaves whole chunks
 * behind; the client sends all of it again, and what is there already counts as a duplicate.
 */
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../kube/client.ts";
import { KubeError } from "../kube/client.ts";
import { lines } from "../kube/lines.ts";
import { TaskBatches } from "../kube/resources.ts";
import { newName, runId } from "../model/ids.ts";
import { apiVersion, type BatchItem, originLabel, type TaskBatch } from "../model/resources.ts";
import { batchItemLimit, batchPayloadLimit } from "../model/schema/taskBatch.ts";
import { batchPayloadKey, chunkSize, readResults, stageChunk } from "../storage/batchItems.ts";
import type { ObjectStore } from "../storage/objectStore.ts";
import { allow, allowSome, type Caller, demand, publicToken } from "./auth.ts";
import { requestName } from "./createRun.ts";
import { bodyOf, check, nameIn, param } from "./input.ts";
import { packetKey } from "./packets.ts";
import { notFound, Problem } from "./problem.ts";
import type { RunReader } from "./runReader.ts";
import { payloadOf, specOf, triggerBody } from "./wire/triggerBody.ts";

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

const item = triggerBody.extend({
  index: z
    .int()
    .min(0)
    .max(batchItemLimit - 1),
  task: z.string().min(1).max(128),
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
    const receiver = new Receiver(deps, batch, caller);
    const { bodyBytes } = deps.limits;
    // A refusal in mid-stream must not cut the connection that tells it.
    const input = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    for await (const line of lines(atMost(input, bodyBytes), bodyBytes)) {
      if (line.trim() !== "") await receiver.take(parseLine(line));
    }
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
      const receiver = new Receiver(deps, batch, caller);
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

/** With the task's id behind them, or without for all tasks. */
const triggerScopes = ["batchTrigger:tasks", "trigger:tasks"];

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
  return { batch, isCached: idempotencyKey !== undefined };
}

/** Takes items in any order, stages whole chunks of them, and seals the batch when all are there. */
class Receiver {
  readonly #deps: BatchDeps;
  readonly #batch: TaskBatch;
  readonly #caller: Caller;
  readonly #total: number;
  readonly #chunks = new Map<number, Map<number, BatchItem>>();
  #bytes = 0;
  #accepted = 0;
  #duplicates = 0;
  #staged = 0;

  constructor(deps: BatchDeps, batch: TaskBatch, caller: Caller) {
    this.#deps = deps;
    this.#caller = caller;
    this.#batch = batch;
    this.#total = batch.spec.expectedCount ?? 0;
  }

  async take({ index, task, payload, options = {} }: z.infer<typeof item>): Promise<void> {
    if (index >= this.#total)
      throw new Problem(422, `items.${index}: the batch was made for ${this.#total} items`);
    demand(this.#caller, ...triggerScopes.map((scope) => `${scope}:${task}`));
    if (options.debounce)
      throw new Problem(422, `items.${index}.options.debounce: not supported in a batch: trigger it alone`);
    const given = payloadOf(payload, options);
    const fields = await this.#payloadFields(index, given);
    const chunk = Math.floor(index / chunkSize);
    const items = this.#chunks.get(chunk) ?? new Map<number, BatchItem>();
    this.#chunks.set(chunk, items);
    if (items.has(index)) this.#duplicates++;
    items.set(index, { task, ...specOf(options, this.#deps.clock()), ...fields });
    if (items.size < Math.min(chunkSize, this.#total - chunk * chunkSize)) return;
    await this.#stage(chunk, items);
  }

  async end(): Promise<{
    itemsAccepted: number;
    itemsDeduplicated: number;
    sealed: boolean;
    expectedCount: number;
  }> {
    const sealed = this.#staged === Math.ceil(this.#total / chunkSize);
    const { namespace, name } = this.#batch.metadata;
    if (sealed && !this.#batch.status?.sealedAt) {
      const status = { sealedAt: new Date(this.#deps.clock()).toISOString() };
      await this.#deps.client.patch(
        TaskBatches,
        namespace,
        name,
        { status },
        { type: "merge", subresource: "status" },
      );
    }
    return {
      itemsAccepted: this.#accepted,
      itemsDeduplicated: this.#duplicates,
      sealed,
      expectedCount: this.#total,
    };
  }

  async #stage(chunk: number, items: Map<number, BatchItem>): Promise<void> {
    const inOrder = [...items].sort(([a], [b]) => a - b).map(([, one]) => one);
    const outcome = await stageChunk(this.#deps.store, this.#batch.metadata, chunk, inOrder);
    if (outcome === "stored") this.#accepted += inOrder.length;
    else this.#duplicates += inOrder.length;
    this.#staged++;
    this.#chunks.set(chunk, new Map());
  }

  /** Items that the client put into the bucket itself count with their real size. */
  async #payloadFields(
    index: number,
    { text, type, storagePath }: ReturnType<typeof payloadOf>,
  ): Promise<Partial<BatchItem>> {
    const { namespace } = this.#batch.metadata;
    const packet = storagePath === undefined ? undefined : packetKey(namespace, storagePath);
    const stored = packet === undefined ? undefined : await this.#deps.store.head(packet);
    if (packet !== undefined && !stored)
      throw new Problem(422, `payload: there is nothing at ${storagePath}: upload it first`);
    this.#bytes += stored?.size ?? Buffer.byteLength(text ?? "");
    if (this.#bytes > batchPayloadLimit) {
      throw new Problem(
        413,
        `items: their payloads have more than ${batchPayloadLimit} bytes (10 MB) together: make several batches`,
      );
    }
    if (packet !== undefined && stored) {
      const key = batchPayloadKey(this.#batch.metadata, index);
      await this.#deps.store.copy(packet, key);
      return { payloadRef: { key, size: stored.size }, payloadType: stored.type ?? "application/json" };
    }
    return text === undefined ? {} : { payloadData: text, payloadType: type };
  }
}

/** A stream with a limit, and with an end to its last line. */
async function* atMost(stream: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const part of stream) {
    received += part.length;
    if (received > limit) {
      throw new Problem(
        413,
        `Request body too large: at most ${limit} bytes are allowed. Upload large payloads first (PUT /api/v2/packets/…) or make several batches`,
      );
    }
    yield part;
  }
  yield Buffer.from("\n");
}

function parseLine(line: string): z.infer<typeof item> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Problem(400, `items: a line is not JSON: ${(error as Error).message}`);
  }
  return check(item, value, "item");
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

const statuses = {
  Receiving: "PENDING",
  Processing: "PROCESSING",
  Completed: "COMPLETED",
  PartiallyFailed: "PARTIAL_FAILED",
  Aborted: "ABORTED",
} as const;

function batchObject({ metadata, spec, status = {} }: TaskBatch) {
  const runCount = status.counts?.total ?? spec.expectedCount ?? spec.items?.length ?? 0;
  const ran = status.counts?.created ?? 0;
  return {
    id: `batch_${metadata.name}`,
    // A batch whose runs have not all ended is being processed, however many of them could not be made.
    status: statuses[status.phase ?? "Receiving"],
    createdAt: metadata.creationTimestamp,
    updatedAt: status.finishedAt ?? status.startedAt ?? metadata.creationTimestamp,
    runCount,
    runs: Array.from({ length: ran }, (_, index) => runId(`${metadata.name}-${index}`)),
    processing: {
      completedAt: status.finishedAt,
      errors: (status.errors ?? []).map(({ index, message }) => ({
        index,
        taskIdentifier: "",
        error: message,
      })),
    },
  };
}

function resultObject(result: Awaited<ReturnType<typeof readResults>>[number]) {
  const id = result.run ? runId(result.run.name) : `item_${result.index}`;
  if (result.phase === "Completed") {
    const output = result.output === undefined ? undefined : JSON.stringify(result.output);
    return { ok: true, id, taskIdentifier: result.task, output, outputType: "application/json" };
  }
  const { name = result.phase ?? "Error", message = "" } = result.error ?? {};
  return {
    ok: false,
    id,
    taskIdentifier: result.task,
    error: { type: "BUILT_IN_ERROR", name, message, stackTrace: "" },
  };
}
