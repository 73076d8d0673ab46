/**
 * `/engine/v1`: what a runner says and asks about its own attempt. Bearer: the attempt's token.
 *
 *   GET  /attempt          → 200 {phase, stopReason?: "canceled" | "maxDuration"}
 *   POST /attempt/start    {podUid, startedAt} → 204
 *   POST /attempt/output   {podUid, size, type} → 200 {url, key}: a presigned PUT of exactly that object
 *   POST /attempt/report   a Report → 204
 *
 * 401 for a token that is not ours, 404 when the run is gone, 409 when the attempt is not the current one or the
 * run has ended: nothing then changes, and trying again is no use. 400 names the field.
 */
import { maxOutputBytes } from "@fairlead/protocol/limits";
import express, { type Request, type RequestHandler, type Response, Router } from "express";
import type { Logger } from "pino";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { Attempt, TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { endOfReport, report } from "../../model/run/report.ts";
import { applyEvent } from "../../runs/applyEvent.ts";
import type { RunClaims, RunTokens } from "../../runs/runToken.ts";
import { outputKey } from "../../storage/layout.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { storeReportOutput } from "../../storage/reportOutput.ts";

export interface EngineDeps {
  client: Pick<KubeClient, "get" | "replace">;
  store: Pick<ObjectStore, "presignPut" | "put">;
  tokens: Pick<RunTokens, "verify">;
  log: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1). */
  random: () => number;
}

const uploadUrlSeconds = 15 * 60;

const start = z.object({ podUid: z.string().min(1).max(64), startedAt: z.iso.datetime({ offset: true }) });
const upload = z.object({
  podUid: z.string().min(1).max(64),
  size: z.int().min(0),
  type: z.string().min(1).max(64),
});

export function engineRouter(deps: EngineDeps): Router {
  const router = Router();
  router.use(authenticate(deps.tokens));
  router.use(express.json({ limit: "64kb" }));

  router.get("/attempt", async (_request, response) => {
    const found = await attemptOf(deps, response);
    if (!found) return;
    const { status } = found.run;
    const intent = status?.stop?.intent;
    const stopReason = intent === "Canceled" ? "canceled" : intent === "TimedOut" ? "maxDuration" : undefined;
    response.json({ phase: status?.phase, stopReason });
  });

  router.post("/attempt/start", async (request, response) => {
    const body = parse(start, request, response);
    if (!body) return;
    const { attempt } = claimsOf(response);
    await apply(deps, response, { type: "Started", attempt, at: body.startedAt, podUid: body.podUid });
  });

  router.post("/attempt/output", async (request, response) => {
    const body = parse(upload, request, response);
    if (!body) return;
    if (body.size > maxOutputBytes) {
      response
        .status(413)
        .json({ error: `size: ${body.size} bytes, an output has at most ${maxOutputBytes}` });
      return;
    }
    const found = await attemptOf(deps, response, body.podUid);
    if (!found) return;
    const key = outputKey(found.run.metadata, found.attempt.number, body.podUid);
    const url = await deps.store.presignPut(key, { expiresSeconds: uploadUrlSeconds, audience: "cluster" });
    response.json({ url, key });
  });

  router.post("/attempt/report", async (request, response) => {
    const body = parse(report, request, response);
    if (!body) return;
    const claims = claimsOf(response);
    if (body.attempt !== claims.attempt) {
      response.status(400).json({ error: `attempt: ${body.attempt}, the token is for ${claims.attempt}` });
      return;
    }
    const run = { namespace: claims.ns, name: claims.run, uid: claims.uid };
    const key = body.output?.key;
    if (key !== undefined && key !== outputKey(run, claims.attempt, body.podUid)) {
      response.status(400).json({ error: `output.key: ${key} is not the key of this attempt's output` });
      return;
    }
    // An attempt that is over must not overwrite what it stored.
    if (!(await attemptOf(deps, response, body.podUid))) return;
    const stored = await storeReportOutput(deps.store, run, body);
    await apply(deps, response, {
      type: "AttemptEnded",
      attempt: claims.attempt,
      podUid: body.podUid,
      end: endOfReport(stored),
      retry: claims.retry,
      random: deps.random(),
    });
  });
  return router;
}

function authenticate(tokens: Pick<RunTokens, "verify">): RequestHandler {
  return async (request, response, next) => {
    const [scheme, token] = (request.get("authorization") ?? "").split(" ");
    const claims = scheme?.toLowerCase() === "bearer" && token ? await tokens.verify(token) : undefined;
    if (!claims) {
      response.status(401).json({ error: "Authorization: a run's token is needed, as Bearer." });
      return;
    }
    response.locals.claims = claims;
    next();
  };
}

const claimsOf = (response: Response): RunClaims => response.locals.claims as RunClaims;

/** Answers 404 or 409 itself. */
async function attemptOf(
  deps: EngineDeps,
  response: Response,
  podUid?: string,
): Promise<{ run: TaskRun; attempt: Attempt } | undefined> {
  const claims = claimsOf(response);
  const run = await deps.client.get(TaskRuns, claims.ns, claims.run);
  if (!run || run.metadata.uid !== claims.uid) {
    response.status(404).json({ error: `TaskRun ${claims.ns}/${claims.run} is gone.` });
    return undefined;
  }
  const attempt = currentAttempt(run.status);
  const isCurrent =
    attempt?.number === claims.attempt && (!podUid || !attempt.podUid || attempt.podUid === podUid);
  if (!attempt || !isCurrent) {
    const error = `Attempt ${claims.attempt} is not under way; the run is ${run.status?.phase}.`;
    response.status(409).json({ error });
    return undefined;
  }
  return { run, attempt };
}

async function apply(deps: EngineDeps, response: Response, event: RunEvent): Promise<void> {
  const { ns, run, uid } = claimsOf(response);
  const now = () => new Date(deps.clock()).toISOString();
  const result = await applyEvent(deps.client, ns, run, event, { uid, now });
  if ("applied" in result) {
    deps.log.info({ namespace: ns, run, event: event.type, phase: result.applied.status?.phase }, "applied");
    response.status(204).end();
  } else if ("missing" in result) response.status(404).json({ error: `TaskRun ${ns}/${run} is gone.` });
  // The controller saw the container run before the runner said so: that is what it wanted to say.
  else if (event.type === "Started" && result.run.status?.phase === "Executing") response.status(204).end();
  else response.status(409).json({ error: result.refused });
}

/** Answers 400 itself, naming the field. */
function parse<T>(schema: z.ZodType<T>, request: Request, response: Response): T | undefined {
  const parsed = schema.safeParse(request.body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  response.status(400).json({ error: problems.join("; ") });
  return undefined;
}
