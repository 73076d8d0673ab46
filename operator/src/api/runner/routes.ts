/**
 * What a runner reports and asks about its own attempt; protocol/runnerApi.ts has the calls.
 *
 * 400 names the field. 401: the token is not ours. 404: the run does not exist any more. 409: the attempt is
 * not the current one, or the run has ended; nothing changes then, and a retry does not help.
 */
import { maxOutputBytes } from "@fairlead/protocol/limits";
import type {
  AttemptAnswer,
  MetadataAnswer,
  StartBody,
  UploadAnswer,
  UploadBody,
} from "@fairlead/protocol/runnerApi";
import { type RequestHandler, type Response, Router } from "express";
import type { Logger } from "pino";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskRuns } from "../../model/kinds.ts";
import type { TaskRun } from "../../model/resources.ts";
import { currentAttempt } from "../../model/run/attempts.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { endOfReport, report } from "../../model/run/report.ts";
import { mediaType } from "../../model/schema/common.ts";
import { applyEvent } from "../../runs/applyEvent.ts";
import type { RunClaims, RunTokens } from "../../runs/runToken.ts";
import { outputKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { storeReportOutput } from "../../storage/reportOutput.ts";
import { bearerOf, bodyOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";

export interface RunnerDeps {
  client: Pick<KubeClient, "get" | "replace">;
  store: Stores<"presignPut" | "put">;
  tokens: Pick<RunTokens, "verify">;
  log: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1). */
  random: () => number;
}

const uploadUrlSeconds = 15 * 60;
const podUid = z.guid("is not a pod's uid: send metadata.uid of the pod");
const start = z.object({
  podUid,
  startedAt: z.iso.datetime({ offset: true }),
}) satisfies z.ZodType<StartBody>;
const upload = z.object({
  podUid,
  size: z.int().min(0),
  type: mediaType(),
}) satisfies z.ZodType<UploadBody>;

export function runnerRouter(deps: RunnerDeps): Router {
  const router = Router();
  router.use(authenticateAttempt(deps.tokens));

  router.get("/attempt", async (_request, response) => {
    const { status } = await loadRun(deps, claimsIn(response));
    const intent = status?.stop?.intent;
    const stopReason = intent === "Canceled" ? "canceled" : intent === "TimedOut" ? "maxDuration" : undefined;
    response.json({ phase: status?.phase, stopReason } satisfies AttemptAnswer);
  });

  router.get("/attempt/metadata", async (_request, response) => {
    const { spec } = await loadRun(deps, claimsIn(response));
    response.json({ metadata: spec.metadata } satisfies MetadataAnswer);
  });

  router.post("/attempt/start", async (request, response) => {
    const body = await bodyOf(start, request);
    const claims = claimsIn(response);
    const { attempt } = claims;
    await apply(deps, claims, { type: "Started", attempt, at: body.startedAt, podUid: body.podUid });
    response.status(204).end();
  });

  router.post("/attempt/output", async (request, response) => {
    const body = await bodyOf(upload, request);
    if (body.size > maxOutputBytes)
      throw new Problem(413, `size: ${body.size} bytes, an output has at most ${maxOutputBytes}`);
    const claims = claimsIn(response);
    const run = await loadRun(deps, claims, body.podUid);
    const key = outputKey(run.metadata, claims.attempt, body.podUid);
    const url = await deps.store
      .of(claims.ns)
      .presignPut(key, { expiresSeconds: uploadUrlSeconds, audience: "cluster" });
    response.json({ url, key } satisfies UploadAnswer);
  });

  router.post("/attempt/report", async (request, response) => {
    const body = await bodyOf(report, request);
    const claims = claimsIn(response);
    const { ns: namespace, run: name, uid, attempt, retry } = claims;
    if (body.attempt !== attempt)
      throw new Problem(400, `attempt: ${body.attempt} is not the token's: send ${attempt}`);
    const run = { namespace, name, uid };
    const key = body.output?.key;
    const ownKey = outputKey(run, attempt, body.podUid);
    if (key !== undefined && key !== ownKey)
      throw new Problem(400, `output.key: ${key} is not the key of this attempt's output: send ${ownKey}`);
    // Before anything is stored: an attempt that is over must not overwrite its output.
    await loadRun(deps, claims, body.podUid);
    const end = endOfReport(await storeReportOutput(deps.store, run, body));
    const random = deps.random();
    await apply(deps, claims, { type: "AttemptEnded", attempt, podUid: body.podUid, end, retry, random });
    response.status(204).end();
  });
  return router;
}

function authenticateAttempt(tokens: Pick<RunTokens, "verify">): RequestHandler {
  return async (request, response, next) => {
    const token = bearerOf(request);
    const claims = token ? await tokens.verify(token) : undefined;
    if (!claims) throw new Problem(401, "Authorization: not a run's token: send the attempt's own as Bearer");
    response.locals.claims = claims;
    next();
  };
}

const claimsIn = (response: Response): RunClaims => response.locals.claims as RunClaims;

/** The run, if the token's attempt is its current one, and this pod the attempt's. */
async function loadRun({ client }: RunnerDeps, claims: RunClaims, podUid?: string): Promise<TaskRun> {
  const run = await client.get(TaskRuns, claims.ns, claims.run);
  if (run?.metadata.uid !== claims.uid) throw runMissing(claims);
  const current = currentAttempt(run.status);
  const isCurrent =
    current?.number === claims.attempt && (!podUid || !current.podUid || current.podUid === podUid);
  if (isCurrent) return run;
  throw new Problem(409, `Attempt ${claims.attempt} is not under way: the run is ${run.status?.phase}`);
}

async function apply(deps: RunnerDeps, claims: RunClaims, event: RunEvent): Promise<void> {
  const { ns: namespace, run, uid } = claims;
  const now = () => new Date(deps.clock()).toISOString();
  const result = await applyEvent(deps.client, namespace, run, event, { uid, now });
  if ("missing" in result) throw runMissing(claims);
  if ("applied" in result) {
    deps.log.info(
      { namespace, run, event: event.type, phase: result.applied.status?.phase },
      "event applied",
    );
    return;
  }
  // The controller saw the container run before the runner reported it: nothing is left to change.
  const { phase } = result.run.status ?? {};
  if (event.type === "Started" && (phase === "Executing" || phase === "Waiting")) return;
  throw new Problem(409, result.refused);
}

const runMissing = ({ ns, run }: RunClaims): Problem =>
  new Problem(404, `TaskRun ${ns}/${run} does not exist any more`);
