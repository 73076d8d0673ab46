/**
 * Queues: list, retrieve, pause, resume, and a limit that overrides the declared one. What is set here goes
 * to the TaskQueue's `status.override`; a queue that has runs and no resource gets one.
 *
 * `type` says what the name in the path is: `id` (`queue_<name>`), `task` (a task's id) or `custom` (the name
 * itself).
 */

import { idPrefix, idRule, isId, maxIdLength } from "@fairlead/protocol/ids";
import { originLabel } from "@fairlead/protocol/labels";
import { type Request, Router } from "express";
import { z } from "zod";
import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import { nearest } from "../lib/nearest.ts";
import { slug } from "../model/ids.ts";
import { TaskQueues } from "../model/kinds.ts";
import { defaultQueueOf, governing, settingsOf } from "../model/queue/governing.ts";
import { apiVersion, nameOfQueue, type TaskQueue } from "../model/resources.ts";
import { allowAll, manageOr } from "./auth/rights.ts";
import { type Caller, callerIn } from "./http/caller.ts";
import { bodyOf, countOf, nameIn, param, query } from "./http/input.ts";
import { notFound, Problem } from "./http/problem.ts";
import { note } from "./http/requestLog.ts";
import type { RunReader } from "./runs/reader.ts";

export interface QueueDeps {
  client: Pick<KubeClient, "create" | "list" | "listAll" | "patch">;
  reader: Pick<RunReader, "hasRunIn">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

const kind = z.enum(["id", "task", "custom"]).default("id");
export const queuePauseBody = z.strictObject({ type: kind, action: z.enum(["pause", "resume"]) });
export const queueOverrideBody = z.strictObject({
  type: kind,
  concurrencyLimit: z.int().min(1).max(100_000),
});
export const queueResetBody = z.strictObject({ type: kind });
/** Queues that a list looks at. */
const listLimit = 10_000;

export function queuesRouter(deps: QueueDeps): Router {
  const router = Router();

  router.get("/api/v1/queues", async (request, response) => {
    const { namespace } = allowAll(response, "read", "queues");
    const perPage = countOf(request, "perPage", 25, 100);
    const page = countOf(request, "page", 1, listLimit);
    const byName = new Map<string, TaskQueue[]>();
    for (const queue of await loadQueues(deps, namespace)) {
      byName.set(nameOfQueue(queue), [...(byName.get(nameOfQueue(queue)) ?? []), queue]);
    }
    const queues = [...byName.values()].flatMap((same) => governing(same) ?? []);
    queues.sort((a, b) => nameOfQueue(a).localeCompare(nameOfQueue(b)));
    response.json({
      data: queues.slice((page - 1) * perPage, page * perPage).map(queueObject),
      pagination: { currentPage: page, totalPages: Math.ceil(queues.length / perPage), count: queues.length },
    });
  });

  router.get("/api/v1/queues/:queue", async (request, response) => {
    const { namespace } = allowAll(response, "read", "queues");
    const name = nameOf(request, query(request, "type"));
    const queue = await findQueue(deps, namespace, name);
    if (!queue) throw notFound(`queue ${name}`);
    response.json(queueObject(queue));
  });

  router.post("/api/v1/queues/:queue/pause", manageOr("write", "queues"), async (request, response) => {
    const body = await bodyOf(queuePauseBody, request);
    const paused = body.action === "pause";
    note(response, { paused });
    response.json(queueObject(await setOverride(deps, callerIn(response), request, body.type, { paused })));
  });

  router.post(
    "/api/v1/queues/:queue/concurrency/override",
    manageOr("write", "queues"),
    async (request, response) => {
      const body = await bodyOf(queueOverrideBody, request);
      const { concurrencyLimit } = body;
      note(response, { concurrencyLimit });
      response.json(
        queueObject(await setOverride(deps, callerIn(response), request, body.type, { concurrencyLimit })),
      );
    },
  );

  router.post(
    "/api/v1/queues/:queue/concurrency/reset",
    manageOr("write", "queues"),
    async (request, response) => {
      const { type } = await bodyOf(queueResetBody, request);
      const change = { concurrencyLimit: null };
      response.json(queueObject(await setOverride(deps, callerIn(response), request, type, change)));
    },
  );

  return router;
}

/** The clients encode a slash twice. */
function nameOf(request: Request, type: string | undefined): string {
  const text = param(request, "queue").replaceAll(/%2F/gi, "/");
  const known = kind.safeParse(type);
  if (!known.success) throw new Problem(400, "type: not valid: use id, task or custom");
  const name =
    known.data === "task" ? defaultQueueOf(text) : known.data === "id" ? nameIn(text, idPrefix.queue) : text;
  if (!isId(name)) {
    throw new Problem(400, `queue: "${name.slice(0, maxIdLength)}" is not a valid queue name: use ${idRule}`);
  }
  return name;
}

async function setOverride(
  deps: QueueDeps,
  { namespace }: Caller,
  request: Request,
  type: string,
  change: { paused?: boolean; concurrencyLimit?: number | null },
): Promise<TaskQueue> {
  const name = nameOf(request, type);
  const queue = await findOrCreate(deps, namespace, name);
  const at = new Date(deps.clock()).toISOString();
  const status = { override: { ...change, at } };
  const options = { type: "merge" as const, subresource: "status" };
  return deps.client.patch(TaskQueues, namespace, queue.metadata.name, { status }, options);
}

/** A queue without a resource gets one while runs are in it; any other name is a slip of the pen. */
async function findOrCreate(deps: QueueDeps, namespace: string, name: string): Promise<TaskQueue> {
  const queues = await loadQueues(deps, namespace);
  const found = governing(queues.filter((queue) => nameOfQueue(queue) === name));
  if (found) return found;
  if (deps.reader.hasRunIn(namespace, name)) return createQueue(deps, namespace, name);
  const meant = nearest(name, queues.map(nameOfQueue));
  const right = meant ? `it may be ${meant}` : "a TaskQueue, a Task or a run that names it makes one";
  throw new Problem(404, `There is no queue ${name}: ${right}.`, { retry: false });
}

async function createQueue({ client }: QueueDeps, namespace: string, name: string): Promise<TaskQueue> {
  // With a trigger's origin, so that a limit that the next trigger declares counts.
  const metadata = { name: slug(name), namespace, labels: { [originLabel]: "trigger" } };
  const body = { apiVersion, kind: "TaskQueue", metadata, spec: { name } };
  try {
    return await client.create(TaskQueues, namespace, body);
  } catch (error) {
    if (KubeError.is(error, "AlreadyExists"))
      throw new Problem(409, `queue: ${name} was created concurrently: retry`);
    throw error;
  }
}

async function findQueue(deps: QueueDeps, namespace: string, name: string): Promise<TaskQueue | undefined> {
  return governing((await loadQueues(deps, namespace)).filter((queue) => nameOfQueue(queue) === name));
}

async function loadQueues({ client }: QueueDeps, namespace: string): Promise<TaskQueue[]> {
  const queues: TaskQueue[] = [];
  for await (const queue of client.listAll(TaskQueues, namespace)) {
    queues.push(queue);
    if (queues.length >= listLimit) break;
  }
  return queues;
}

function queueObject(queue: TaskQueue) {
  const { limit, paused } = settingsOf(queue);
  const name = nameOfQueue(queue);
  const task = /^task\/(.+)$/.exec(name)?.[1];
  const { override, running = 0, queued = 0 } = queue.status ?? {};
  return {
    id: idPrefix.queue + name,
    name: task ?? name,
    type: task === undefined ? "custom" : "task",
    running,
    queued,
    paused,
    concurrencyLimit: limit ?? null,
    concurrency: {
      current: limit ?? null,
      base: queue.spec.concurrencyLimit ?? null,
      override: override?.concurrencyLimit ?? null,
      overriddenAt: override?.concurrencyLimit === undefined ? null : (override.at ?? null),
      overriddenBy: null,
    },
  };
}
