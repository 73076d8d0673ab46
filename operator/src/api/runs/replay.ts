/**
 * POST /api/v1/runs/<id>/replay: a new run with the payload and the options of an earlier one, or with new
 * ones.
 */
import { runId } from "@fairlead/protocol/ids";
import { maxPayloadBytes } from "@fairlead/protocol/limits";
import { Router } from "express";
import { z } from "zod";
import { parseExact } from "../../lib/exactJson.ts";
import { ownKeyProblem } from "../../model/keys/objectKey.ts";
import type { TaskRun } from "../../model/resources.ts";
import { replayOptions } from "../../model/run/triggerFields.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { publicToken } from "../auth/auth.ts";
import { demand, may, refuseQueueLimit, subjectOf } from "../auth/rights.ts";
import { callerIn } from "../http/caller.ts";
import { bodyOf, requestKeyOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { note } from "../http/requestLog.ts";
import { findRun, type RunAccessDeps } from "./access.ts";
import { type CreateDeps, createRun } from "./createRun.ts";
import { triggerOptions } from "./wire/triggerBody.ts";

type ReplayDeps = RunAccessDeps & CreateDeps & { limits: { bodyBytes: number } };

export const replayBody = triggerOptions.extend({
  payload: z.unknown().optional(),
  version: z.string().min(1).max(64).optional(),
});

export function replayRouter(deps: ReplayDeps): Router {
  const router = Router();
  router.post("/api/v1/runs/:id/replay", async (request, response) => {
    const run = await findRun(deps, request, response, "write");
    const { payload, payloadType, version, ...options } = await bodyOf(replayBody, request, {
      maxBytes: deps.limits.bodyBytes,
    });
    if (run.spec.task === undefined)
      throw new Problem(422, "A run of an inline container cannot be replayed: apply its TaskRun again");
    const caller = callerIn(response);
    demand(caller, "trigger", { tasks: run.spec.task });
    refuseQueueLimit(caller, options);
    const given = payload === undefined ? await loadPayload(deps, run) : { payload, payloadType };
    const { name } = await createRun(deps, {
      caller,
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
    note(response, { run: runId(name) });
    // The new run has what the first has, which the caller may not be allowed to read.
    if (may(caller, "read", subjectOf(runId(run.metadata.name), run)))
      response.set("x-trigger-jwt", await publicToken(caller, [`read:runs:${runId(name)}`]));
    response.json({ id: runId(name) });
  });
  return router;
}

/** The run's own payload, as a client would send it. */
async function loadPayload(
  { store }: { store: Stores<"get"> },
  run: TaskRun,
): Promise<{ payload?: unknown; payloadType?: string }> {
  const { payload, payloadData, payloadType = "application/json", payloadRef } = run.spec;
  if (payload !== undefined) return { payload };
  if (payloadRef) {
    const foreign = ownKeyProblem(run.metadata.namespace, payloadRef.key);
    if (foreign) throw new Problem(422, `payload: the key of the run's own ${foreign}: send one`);
    const object = await store.of(run.metadata.namespace).get(payloadRef.key, { maxBytes: maxPayloadBytes });
    if (!object) throw new Problem(422, "payload: the run's own was deleted: send one");
    const text = new TextDecoder().decode(object.body);
    return { payload: asSent(text, payloadType), payloadType };
  }
  if (payloadData === undefined) return {};
  return { payload: asSent(payloadData, payloadType), payloadType };
}

function asSent(text: string, type: string): unknown {
  if (type !== "application/json") return text;
  try {
    return parseExact(text);
  } catch {
    throw new Problem(422, "payload: the run's own is not valid JSON, which its type promises: send one");
  }
}
