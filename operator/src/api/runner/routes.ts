/**
 * What a pod asks and reports about its own attempt; protocol/runnerApi.ts has the calls.
 *
 * 400 names the field. 401: the token is neither the attempt's nor its pod's. 403: that pod is of no attempt.
 * 404: the run does not exist any more. 409: the attempt is not the current one, or the run has ended;
 * nothing changes then, and a retry does not help.
 */
import { maxParts, sha256Pattern } from "@fairlead/protocol/bundle";
import { maxOutputBytes } from "@fairlead/protocol/limits";
import type {
  AttemptAnswer,
  BundleAnswer,
  BundleBody,
  StartAnswer,
  StartBody,
  TokenAnswer,
  UploadAnswer,
  UploadBody,
} from "@fairlead/protocol/runnerApi";
import { type Response, Router } from "express";
import type { Logger } from "pino";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { endOfReport, report } from "../../model/run/report.ts";
import { transition } from "../../model/run/transition.ts";
import { mediaType } from "../../model/schema/common.ts";
import { applyEvent } from "../../runs/applyEvent.ts";
import { type RunClaims, type RunTokens, runTokenSeconds } from "../../runs/runToken.ts";
import { checksumHeaders } from "../../storage/bucket.ts";
import { bundleKey, outputKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import { storeReportOutput, UploadDiffers } from "../../storage/reportOutput.ts";
import { bodyOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import type { Links } from "../packets.ts";
import { type WaitRouteDeps, waitRoutes } from "../waits/runnerRoutes.ts";
import { type AttemptIdentity, runMissing } from "./attemptIdentity.ts";
import { authenticateAttempt, claimsIn, demandPod, identifiedIn } from "./authenticate.ts";
import { containerRoutes } from "./containerRoutes.ts";
import { handOver } from "./handOver.ts";

export interface RunnerDeps {
  client: Pick<KubeClient, "get" | "replace">;
  store: Stores<"copy" | "delete" | "head" | "presignGet" | "presignPut" | "put">;
  links: Pick<Links, "ownUrl">;
  identity: AttemptIdentity;
  tokens: Pick<RunTokens, "sign" | "publicKeyOf" | "whole">;
  log: Logger;
  /** Milliseconds since the epoch. */
  clock: () => number;
  /** In [0, 1). */
  random: () => number;
}

const uploadUrlSeconds = 15 * 60;
const bundleUrlSeconds = 15 * 60;
const bundle = z.object({
  parts: z.array(z.string().regex(sha256Pattern)).min(1).max(maxParts),
}) satisfies z.ZodType<BundleBody>;
const start = z.object({
  startedAt: z.iso.datetime({ offset: true }),
}) satisfies z.ZodType<StartBody>;
const upload = z.object({
  size: z.int().min(0),
  type: mediaType(),
  sha256: z.hex().length(64).optional(),
}) satisfies z.ZodType<UploadBody>;

export function runnerRouter(deps: RunnerDeps & WaitRouteDeps): Router {
  const router = Router();
  const { identity } = deps;
  const loadRun = (response: Response) => identity.currentRun(identifiedIn(response));
  router.use(authenticateAttempt(identity));

  router.post("/attempt/start", async (request, response) => {
    const { run, claims } = demandPod(response);
    const { startedAt } = await bodyOf(start, request);
    const { attempt, podUid } = claims;
    const event: RunEvent = { type: "Started", attempt, at: startedAt, podUid };
    const next = transition(run, event, nowOf(deps));
    // The answer to an earlier call was lost, or the controller saw the container run before.
    const { phase } = run.status ?? {};
    const isStarted = "refused" in next && (phase === "Executing" || phase === "Waiting");
    if ("refused" in next && !isStarted) throw new Problem(409, next.refused);
    const [given, token] = await Promise.all([handOver(deps.store, run), tokenAnswer(deps, claims)]);
    response.json({ ...token, ...given } satisfies StartAnswer);
    if (isStarted) return;
    // User code does not wait for it, and nothing is lost without: the controller sees the container run.
    await apply(deps, claims, event).catch((err) => deps.log.info({ err, run: claims.run }, "not marked"));
  });

  router.post("/attempt/token", async (_request, response) => {
    const { claims } = demandPod(response);
    response.json((await tokenAnswer(deps, claims)) satisfies TokenAnswer);
  });

  router.post("/attempt/bundle", async (request, response) => {
    const { parts } = await bodyOf(bundle, request);
    const { ns } = claimsIn(response);
    // Of the pod's own namespace: whoever deploys there may read what was deployed there.
    const store = deps.store.of(ns);
    const sign = async (part: string) =>
      store.presignGet(bundleKey(ns, part), { expiresSeconds: bundleUrlSeconds, audience: "cluster" });
    const urls = await Promise.all(
      [...new Set(parts)].map(async (part) => [part, await sign(part)] as const),
    );
    response.json({ urls: Object.fromEntries(urls) } satisfies BundleAnswer);
  });

  router.get("/attempt", async (_request, response) => {
    const { status } = await loadRun(response);
    const intent = status?.stop?.intent;
    const stopReason = intent === "Canceled" ? "canceled" : intent === "TimedOut" ? "maxDuration" : undefined;
    response.json({ phase: status?.phase, stopReason } satisfies AttemptAnswer);
  });

  router.post("/attempt/output", async (request, response) => {
    const body = await bodyOf(upload, request);
    if (body.size > maxOutputBytes)
      throw new Problem(413, `size: ${body.size} bytes, an output has at most ${maxOutputBytes}`);
    const { ns, attempt, podUid } = claimsIn(response);
    const run = await loadRun(response);
    const key = outputKey(run.metadata, attempt, podUid);
    const { size, sha256 } = body;
    const options = { expiresSeconds: uploadUrlSeconds, audience: "cluster", size, sha256 } as const;
    const url = await deps.store.of(ns).presignPut(key, options);
    const headers = sha256 === undefined ? {} : checksumHeaders(sha256);
    response.json({ url, key, headers } satisfies UploadAnswer);
  });

  router.post("/attempt/report", async (request, response) => {
    const body = await bodyOf(report, request);
    const claims = claimsIn(response);
    const { ns: namespace, run: name, uid, attempt, podUid, retry } = claims;
    if (body.attempt !== attempt)
      throw new Problem(400, `attempt: ${body.attempt} is not the token's: send ${attempt}`);
    if (body.podUid !== podUid)
      throw new Problem(400, `podUid: ${body.podUid} is not the token's: send ${podUid}`);
    const run = { namespace, name, uid };
    const key = body.output?.key;
    const ownKey = outputKey(run, attempt, podUid);
    if (key !== undefined && key !== ownKey)
      throw new Problem(400, `output.key: ${key} is not the key of this attempt's output: send ${ownKey}`);
    // Before anything is stored: an attempt that is over must not overwrite its output.
    await loadRun(response);
    const stored = await storeReportOutput(deps.store, run, body).catch((error: unknown) => {
      throw error instanceof UploadDiffers ? new Problem(400, `output: ${error.message}`) : error;
    });
    if (body.output?.data === undefined && key !== undefined && stored.output?.key === undefined)
      throw new Problem(400, "output.key: nothing was uploaded: upload the output first");
    const end = endOfReport(stored);
    const random = deps.random();
    await apply(deps, claims, { type: "AttemptEnded", attempt, podUid, end, retry, random });
    response.status(204).end();
    // Best effort: it goes with the run's folder otherwise.
    if (key !== undefined)
      await deps.store
        .of(namespace)
        .delete(ownKey)
        .catch((err) => deps.log.info({ err, run: name }, "not deleted"));
  });

  router.use(containerRoutes(deps, loadRun));
  const applyWait = (claims: RunClaims, event: RunEvent) => tryEvent(deps, claims, event);
  router.use(waitRoutes(deps, { claimsIn, loadRun, apply: applyWait }));
  return router;
}

async function tokenAnswer({ tokens }: RunnerDeps, claims: RunClaims): Promise<TokenAnswer> {
  return { token: await tokens.sign(claims), expiresInSeconds: runTokenSeconds };
}

const nowOf = (deps: RunnerDeps): string => new Date(deps.clock()).toISOString();

/** The run afterwards, whether the event applied or not. */
async function tryEvent(deps: RunnerDeps, claims: RunClaims, event: RunEvent): Promise<TaskRun> {
  const { ns: namespace, run: name, uid } = claims;
  const result = await applyEvent(deps.client, namespace, name, event, { uid, now: () => nowOf(deps) });
  if ("missing" in result) throw runMissing(claims);
  return "applied" in result ? result.applied : result.run;
}

async function apply(deps: RunnerDeps, claims: RunClaims, event: RunEvent): Promise<void> {
  const { ns: namespace, run, uid } = claims;
  const result = await applyEvent(deps.client, namespace, run, event, { uid, now: () => nowOf(deps) });
  if ("missing" in result) throw runMissing(claims);
  if ("refused" in result) throw new Problem(409, result.refused);
  deps.log.info({ namespace, run, event: event.type, phase: result.applied.status?.phase }, "event applied");
}
