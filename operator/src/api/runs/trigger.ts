/** POST /api/v1/tasks/<id>/trigger: one run. Answers as soon as its TaskRun exists. */
import { runId } from "@fairlead/protocol/ids";
import { type Request, Router } from "express";
import { publicToken } from "../auth/auth.ts";
import { allow, refuseQueueLimit } from "../auth/rights.ts";
import { bodyOf, check, param, requestKeyOf } from "../http/input.ts";
import { note } from "../http/requestLog.ts";
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
    const caller = allow(response, "trigger", { tasks: task });
    const { payload, options: given } = await bodyOf(triggerBody, request, {
      maxBytes: deps.limits.bodyBytes,
    });
    const options = { ...check(headerOptions, keyHeaders(request), "headers"), ...given };
    refuseQueueLimit(caller, options);
    const requestKey = requestKeyOf(request);
    const { name, isCached } = await createRun(deps, { caller, task, payload, options, requestKey });
    const id = runId(name);
    note(response, { run: id, isCached });
    // A run that was there already was made with this very token, or the caller is a key (ownNames.ts).
    response.set("x-trigger-jwt", await publicToken(caller, [`read:runs:${id}`]));
    response.json({ id, isCached });
  });
  return router;
}
