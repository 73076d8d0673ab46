/**
 * Runs: retrieve, result, list, cancel, reschedule, tags, links to payload and output. A run's id is `run_`
 * and the name of its TaskRun.
 */
import { runId } from "@fairlead/protocol/ids";
import { apiVersionHeader } from "@fairlead/protocol/status";
import { type Request, type Response, Router } from "express";
import { z } from "zod";
import { ownRef } from "../../model/keys/objectKey.ts";
import { isFinished } from "../../model/run/phase.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { secretOnly } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { bodyOf, countOf, param, query } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { type Origin, originOf } from "../packets.ts";
import { findRun, patchSpec, type RunAccessDeps } from "./access.ts";
import { type DataDeps, loadRunData } from "./data.ts";
import { readableBy } from "./readable.ts";
import type { RunReader } from "./reader.ts";
import { loadResult } from "./result.ts";
import { listItem, runObject } from "./wire/runObject.ts";
import { statusOf } from "./wire/status.ts";
import { rescheduledTo } from "./wire/times.ts";
import { checkTags, tagList } from "./wire/triggerBody.ts";

interface RunDeps extends RunAccessDeps, DataDeps {
  store: ObjectStore;
  reader: RunReader;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

const originIn = (request: Request, response: Response): Origin => originOf(request, callerIn(response));
const apiVersionOf = (request: Request): string | undefined => request.get(apiVersionHeader);

export function runsRouter(deps: RunDeps): Router {
  const router = Router();

  router.get("/api/v3/runs/:id", async (request, response) => {
    const run = await findRun(deps, request, response, "read");
    const told = deps.reader.inLine(run);
    response.json(
      runObject(told, apiVersionOf(request), await loadRunData(deps, originIn(request, response), run)),
    );
  });

  router.get("/api/v1/runs/:id/result", async (request, response) => {
    const run = await findRun(deps, request, response, "read");
    if (!isFinished(run)) throw new Problem(404, "The run has not finished", { retry: false });
    response.json(await loadResult(deps, run));
  });

  router.get("/api/v1/runs", async (request, response) => {
    const caller = callerIn(response);
    const page = await deps.reader.list(caller.namespace, readableBy(caller, request.query), {
      size: countOf(request, "page[size]", 25, 100),
      after: query(request, "page[after]"),
      before: query(request, "page[before]"),
    });
    const version = apiVersionOf(request);
    const { next, previous } = page;
    response.json({ data: page.runs.map((run) => listItem(run, version)), pagination: { next, previous } });
  });

  router.post("/api/v2/runs/:id/cancel", async (request, response) => {
    const run = await findRun(deps, request, response, "write");
    if (!isFinished(run)) await patchSpec(deps, run, { cancelRequested: true });
    response.json({ id: runId(run.metadata.name) });
  });

  router.post("/api/v1/runs/:id/reschedule", secretOnly, async (request, response) => {
    const run = await findRun(deps, request, response, "write");
    const { delay } = await bodyOf(rescheduleBody, request);
    const delayUntil = rescheduledTo(delay, deps.clock());
    if (statusOf(run) !== "DELAYED")
      throw new Problem(400, "The run is not DELAYED any more: only a delayed run can be rescheduled");
    const changed = await patchSpec(deps, run, { delayUntil });
    response.json(
      runObject(
        changed,
        apiVersionOf(request),
        await loadRunData(deps, originIn(request, response), changed),
      ),
    );
  });

  router.get("/api/v1/runs/:id/packets/:field", async (request, response) => {
    const run = await findRun(deps, request, response, "read");
    const field = param(request, "field");
    const refs: Record<string, { key: string } | undefined> = {
      payload: ownRef(run.metadata.namespace, run.spec.payloadRef),
      output: ownRef(run.metadata.namespace, run.status?.outputRef),
    };
    const key = refs[field]?.key;
    if (key === undefined) throw notFound(`${field.slice(0, 80)} of this run in object storage`);
    response.json({
      presignedUrl: await deps.links.url(originIn(request, response), "GET", {
        namespace: run.metadata.namespace,
        key,
      }),
    });
  });

  router.post("/api/v1/runs/:id/tags", secretOnly, async (request, response) => {
    const run = await findRun(deps, request, response, "write");
    const { tags } = await bodyOf(tagsBody, request);
    const all = [...new Set([...(run.spec.tags ?? []), ...tags])];
    checkTags(all, "tags");
    // Only if the tags are still those that were read: two concurrent calls must not lose one's tags.
    await patchSpec(deps, run, { tags: all }, run.metadata.resourceVersion);
    response.json({ message: `The run has ${all.length} tags` });
  });

  return router;
}

export const rescheduleBody = z.strictObject({ delay: z.string() });
export const tagsBody = z.strictObject({ tags: tagList });
