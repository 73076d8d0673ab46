/**
 * Runs: retrieve, result, list, cancel, replay, reschedule, tags, metadata, and their life as it happens.
 * A run's id is `run_` and the name of its TaskRun.
 */
import { idPrefix, runId } from "@fairlead/protocol/ids";
import { maxInlineDataBytes, maxMetadataBytes, maxPayloadBytes } from "@fairlead/protocol/limits";
import { apiVersionHeader } from "@fairlead/protocol/status";
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { parseDelay } from "../../model/durations.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import {
  applyOperations,
  type MetadataOperation,
  metadataOperation,
} from "../../model/run/metadataOperations.ts";
import { isFinished } from "../../model/run/phase.ts";
import { replayOptions } from "../../model/run/triggerFields.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { allow, publicToken } from "../auth/auth.ts";
import { callerIn } from "../http/caller.ts";
import { bodyOf, countOf, nameIn, param, query, requestKeyOf } from "../http/input.ts";
import { notFound, Problem, refusal } from "../http/problem.ts";
import type { Links } from "../packets.ts";
import { type CreateDeps, createRun } from "./createRun.ts";
import { type DataDeps, dataOf, outputText } from "./data.ts";
import type { RunReader } from "./reader.ts";
import { filterOf } from "./wire/runFilter.ts";
import { errorOf, listItem, runObject } from "./wire/runObject.ts";
import { statusOf } from "./wire/status.ts";
import { checkTags, latestMs, tagList, triggerOptions } from "./wire/triggerBody.ts";

export interface RunDeps extends CreateDeps, DataDeps {
  client: Pick<KubeClient, "create" | "get" | "patch" | "replace">;
  store: ObjectStore;
  reader: RunReader;
  links: Links;
}

const versionOf = (request: Request): string | undefined => request.get(apiVersionHeader);

export function runsRouter(deps: RunDeps): Router {
  const router = Router();

  router.get("/api/v3/runs/:id", async (request, response) => {
    const run = await find(deps, request, response, "read");
    response.json(runObject(run, versionOf(request), await dataOf(deps, request, run)));
  });

  router.get("/api/v1/runs/:id/result", async (request, response) => {
    const run = await find(deps, request, response, "read");
    if (!isFinished(run)) throw new Problem(404, "The run has not finished", { retry: false });
    response.json(await resultOf(deps, run));
  });

  router.get("/api/v1/runs", async (request, response) => {
    const { namespace } = allow(response, "read:runs", "read:tags");
    const page = await deps.reader.list(namespace, filterOf(request.query), {
      size: countOf(request, "page[size]", 25, 100),
      after: query(request, "page[after]"),
      before: query(request, "page[before]"),
    });
    const version = versionOf(request);
    const { next, previous } = page;
    response.json({ data: page.runs.map((run) => listItem(run, version)), pagination: { next, previous } });
  });

  router.post("/api/v2/runs/:id/cancel", async (request, response) => {
    const run = await find(deps, request, response, "write");
    if (!isFinished(run)) await patch(deps, run, { cancelRequested: true });
    response.json({ id: runId(run.metadata.name) });
  });

  router.post("/api/v1/runs/:id/reschedule", async (request, response) => {
    const run = await find(deps, request, response, "write");
    const { delay } = bodyOf(rescheduleBody, request);
    const until = parseDelay(delay, deps.clock());
    if (until === undefined || until <= deps.clock() || until > latestMs) {
      throw new Problem(400, `delay: "${delay}" is neither a duration such as 1h nor a date in the future`);
    }
    if (statusOf(run) !== "DELAYED") throw new Problem(400, "Only a run that is DELAYED can be rescheduled");
    const changed = await patch(deps, run, { delayUntil: new Date(until).toISOString() });
    response.json(runObject(changed, versionOf(request), await dataOf(deps, request, changed)));
  });

  router.post("/api/v1/runs/:id/replay", async (request, response) => {
    const run = await find(deps, request, response, "write");
    const { namespace } = run.metadata;
    const { payload, payloadType, version, ...options } = bodyOf(replayBody, request);
    if (run.spec.task === undefined)
      throw new Problem(422, "A run of an inline container cannot be replayed: apply it again");
    const given = payload === undefined ? await payloadAgain(deps, run) : { payload, payloadType };
    const { name } = await createRun(deps, {
      namespace,
      task: run.spec.task,
      payload: given.payload,
      options: {
        ...replayOptions(run.spec),
        ...options,
        ...(version === undefined ? {} : { lockToVersion: version }),
        payloadType: given.payloadType,
      },
      requestKey: requestKeyOf(request),
      replayOf: run.metadata.name,
    });
    response.set("x-trigger-jwt", await publicToken(callerIn(response), [`read:runs:${runId(name)}`]));
    response.json({ id: runId(name) });
  });

  router.get("/api/v1/runs/:id/packets/:field", async (request, response) => {
    const run = await find(deps, request, response, "read");
    const field = param(request, "field");
    const refs: Record<string, { key: string } | undefined> = {
      payload: run.spec.payloadRef,
      output: run.status?.outputRef,
    };
    const key = refs[field]?.key;
    if (key === undefined) throw notFound(`${field.slice(0, 80)} of this run in object storage`);
    response.json({ presignedUrl: await deps.links.url(request, "GET", key) });
  });

  router.post("/api/v1/runs/:id/tags", async (request, response) => {
    const run = await find(deps, request, response, "write");
    const { tags } = bodyOf(tagsBody, request);
    const all = [...new Set([...(run.spec.tags ?? []), ...tags])];
    checkTags(all, "tags");
    // Only onto the tags that were read: of two who add at once none is lost.
    await patch(deps, run, { tags: all }, run.metadata.resourceVersion);
    response.json({ message: `The run has ${all.length} tags` });
  });

  router.get("/api/v1/runs/:id/metadata", async (request, response) => {
    const run = await find(deps, request, response, "read");
    response.json({ metadata: run.spec.metadata ?? {} });
  });

  router.put("/api/v1/runs/:id/metadata", async (request, response) => {
    const run = await find(deps, request, response, "write");
    const { metadata: given, ...by } = bodyOf(metadataBody, request);
    // A run without a parent is its own parent and root, as upstream has it.
    const operations = [by.operations, by.parentOperations, by.rootOperations].flatMap((some) => some ?? []);
    const before = given ?? run.spec.metadata ?? {};
    const metadata = changedMetadata(before as Record<string, unknown>, operations);
    await replaceMetadata(deps, run, metadata);
    response.json({ metadata });
  });

  return router;
}

export const metadataBody = z.object({
  metadata: z.record(z.string(), z.unknown()).optional(),
  operations: z.array(metadataOperation).max(1000).optional(),
  parentOperations: z.array(metadataOperation).max(1000).optional(),
  rootOperations: z.array(metadataOperation).max(1000).optional(),
});

function changedMetadata(
  before: Record<string, unknown>,
  operations: MetadataOperation[],
): Record<string, unknown> {
  try {
    const metadata = applyOperations(before, operations);
    const size = Buffer.byteLength(JSON.stringify(metadata));
    if (size <= maxMetadataBytes) return metadata;
    throw new Problem(413, `metadata: ${size} bytes, at most ${maxMetadataBytes} are allowed`);
  } catch (error) {
    if (error instanceof RangeError) throw new Problem(400, `operations: ${error.message}`);
    throw error;
  }
}

/** As a whole, and only if nobody changed the run meanwhile: a client that sees 409 tries again. */
async function replaceMetadata(
  deps: RunDeps,
  run: TaskRun,
  metadata: Record<string, unknown>,
): Promise<void> {
  if (isFinished(run)) throw new Problem(422, "The run has ended: its metadata do not change any more");
  const { namespace, name, uid, resourceVersion } = run.metadata;
  const operation = run.spec.metadata === undefined ? "add" : "replace";
  const patches = [
    { op: "test", path: "/metadata/uid", value: uid },
    { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
    { op: operation, path: "/spec/metadata", value: metadata },
  ];
  try {
    await deps.client.patch(TaskRuns, namespace, name, patches, { type: "json" });
  } catch (error) {
    if (error instanceof KubeError && (error.status === 422 || error.status === 409)) {
      throw new Problem(409, "The run changed in this moment: try again");
    }
    throw error;
  }
}

export const rescheduleBody = z.object({ delay: z.string() });
export const tagsBody = z.object({ tags: tagList });
export const replayBody = triggerOptions.extend({
  payload: z.unknown().optional(),
  version: z.string().min(1).max(64).optional(),
});

/** The run of the path in the caller's namespace. */
async function find(
  deps: RunDeps,
  request: Request,
  response: Response,
  verb: "read" | "write",
): Promise<TaskRun> {
  const name = nameIn(param(request, "id"), idPrefix.run);
  const { namespace } = allow(response, `${verb}:runs:${runId(name)}`);
  const run = await deps.reader.get(namespace, name);
  if (!run) throw notFound(`run ${runId(name)}`);
  return run;
}

/** With a resourceVersion only if nobody changed the run meanwhile. Of a run in history nothing can change any more. */
async function patch(
  deps: RunDeps,
  run: TaskRun,
  spec: Partial<TaskRun["spec"]>,
  resourceVersion?: string,
): Promise<TaskRun> {
  const { namespace, name, uid } = run.metadata;
  const body = { metadata: { uid, resourceVersion }, spec };
  try {
    return await deps.client.patch(TaskRuns, namespace, name, body, { type: "merge" });
  } catch (error) {
    if (KubeError.is(error, "NotFound"))
      throw new Problem(422, "The run has ended: it does not change any more");
    if (KubeError.is(error, "Conflict")) throw new Problem(409, "The run changed in this moment: try again");
    throw refusal(error);
  }
}

async function payloadAgain(
  deps: RunDeps,
  run: TaskRun,
): Promise<{ payload?: unknown; payloadType?: string }> {
  const { payload, payloadData, payloadType = "application/json", payloadRef } = run.spec;
  if (payload !== undefined) return { payload };
  if (payloadRef) {
    const object = await deps.store.get(payloadRef.key, { maxBytes: maxPayloadBytes });
    if (!object) throw new Problem(422, "The run's payload is not there any more: pass another one");
    const text = new TextDecoder().decode(object.body);
    return { payload: asSent(text, payloadType), payloadType };
  }
  if (payloadData === undefined) return {};
  return { payload: asSent(payloadData, payloadType), payloadType };
}

function asSent(text: string, type: string): unknown {
  if (type !== "application/json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(422, "The run's payload is not the JSON that its type promises: pass another one");
  }
}

async function resultOf(deps: RunDeps, run: TaskRun) {
  const id = runId(run.metadata.name);
  const { phase, error } = run.status ?? {};
  const taskIdentifier = run.spec.task;
  if (phase === "Completed") {
    const { outputRef } = run.status ?? {};
    // A large one is fetched: packets.ts knows this path.
    if (outputRef && outputRef.size > maxInlineDataBytes)
      return { ok: true, id, taskIdentifier, output: `${id}/output`, outputType: "application/store" };
    const { text, type = "application/json" } = (await outputText(deps, run.status ?? {})) ?? {};
    return { ok: true, id, taskIdentifier, output: text, outputType: type };
  }
  const {
    name = phase ?? "Error",
    message = run.status?.message ?? "",
    stackTrace = "",
  } = errorOf(error) ?? {};
  return { ok: false, id, taskIdentifier, error: { type: "BUILT_IN_ERROR", name, message, stackTrace } };
}
