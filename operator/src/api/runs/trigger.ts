/** POST /api/v1/tasks/<id>/trigger: one run. Answers as soon as its TaskRun exists. */
import { runId } from "@fairlead/protocol/ids";
import { type Request, Router } from "express";
import { allow, publicToken } from "../auth/auth.ts";
import { bodyOf, check, param, requestKeyOf } from "../http/input.ts";
import { type CreateDeps, createRun } from "./createRun.ts";
import { triggerBody, triggerOptions } from "./wire/triggerBody.ts";

/** The option in the body wins. */
const headerOptions = triggerOptions.pick({ idempotencyKey: true, idempotencyKeyTTL: true });
const keyHeaders = (request: Request): object => ({
  idempotencyKey: request.get("idempotency-key"),
  idempotencyKeyTTL: request.get("idempotency-key-ttl"),
});

export function triggerRouter(deps: CreateDeps & { limits: { bodyBytes: number } }): Router {
  const router = Router();
  router.post("/api/v1/tasks/:task/trigger", async (request, response) => {
    const task = param(request, "task");
    const caller = allow(response, `trigger:tasks:${task}`, `write:tasks:${task}`);
    const { payload, options: given } = await bodyOf(triggerBody, request, {
      maxBytes: deps.limits.bodyBytes,
    });
    const options = { ...check(headerOptions, keyHeaders(request), "headers"), ...given };
    const { namespace, oneTime } = caller;
    const requestKey = requestKeyOf(request);
    const { name, isCached } = await createRun(deps, {
      namespace,
      task,
      payload,
      options,
      requestKey,
      oneTime,
    });
    const id = runId(name);
    // A public token reads what it made: a run that was there already may be somebody else's.
    if (!isCached || !caller.scopes || oneTime)
      response.set("x-trigger-jwt", await publicToken(caller, [`read:runs:${id}`]));
    response.json({ id, isCached });
  });
  return router;
}
