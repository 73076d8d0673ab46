/** POST /api/v1/tasks/<id>/trigger: one run. Answers as soon as its TaskRun is there. */
import { Router } from "express";
import { runId } from "../model/ids.ts";
import { allow, publicToken } from "./auth.ts";
import { type CreateDeps, createRun } from "./createRun.ts";
import { bodyOf, param } from "./input.ts";
import { Problem } from "./problem.ts";
import { triggerBody } from "./wire/triggerBody.ts";

export function triggerRouter(deps: CreateDeps): Router {
  const router = Router();
  router.post("/api/v1/tasks/:task/trigger", async (request, response) => {
    const task = param(request, "task");
    const caller = allow(response, `trigger:tasks:${task}`, `write:tasks:${task}`);
    const { payload, options } = bodyOf(triggerBody, request);
    const { namespace } = caller;
    const { oneTime } = caller;
    for (const option of ["idempotencyKey", "debounce"] as const) {
      if (oneTime !== undefined && options?.[option] !== undefined)
        throw new Problem(422, `options.${option}: not with a token for one use, which makes one run anyway`);
    }
    const requestKey = oneTime ?? request.get("x-trigger-request-idempotency-key");
    const { name, isCached } = await createRun(deps, { namespace, task, payload, options, requestKey });
    const id = runId(name);
    response.set("x-trigger-jwt", await publicToken(caller, [`read:runs:${id}`]));
    response.json({ id, isCached });
  });
  return router;
}
