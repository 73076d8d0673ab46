/**
 * How an attempt waits: the call that is held (attemptWait.ts), and what the official SDK says before it
 * waits.
 *
 *   POST attempt/wait                                   WaitBody → WaitAnswer
 *   POST runs/<id>/wait/duration                        {date} → {waitUntil, waitpoint: {id}}
 *   POST runs/<id>/waitpoints/tokens/<token>/wait       → {success}
 *
 * An attempt has one call at a time: a new one ends the one before it, at this replica.
 */
import { idPrefix } from "@fairlead/protocol/ids";
import { maxAwaited, type WaitBody } from "@fairlead/protocol/runnerApi";
import { type Response, Router } from "express";
import { z } from "zod";
import type { TaskRun } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import type { RunClaims } from "../../runs/runToken.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { findBatch } from "../batches/create.ts";
import { bodyOf, nameIn, param } from "../http/input.ts";
import { notFound } from "../http/problem.ts";
import { attemptWait } from "./attemptWait.ts";
import { type AwaitedDeps, awaitedOf, timeId } from "./awaited.ts";
import { type ResultDeps, resultOf } from "./results.ts";
import { durationUntil, findToken, type TokenDeps } from "./tokens.ts";
import type { Waits } from "./waits.ts";

export interface WaitRouteDeps extends TokenDeps {
  client: TokenDeps["client"] & Parameters<typeof findBatch>[0]["client"];
  store: ObjectStore;
  reader: AwaitedDeps["reader"];
  waits: Pick<Waits, "batches" | "tokens">;
}

/** What the runner's other routes know of the call. */
interface AttemptCalls {
  claimsIn(response: Response): RunClaims;
  /** Throws a Problem unless the attempt is the current one. */
  loadRun(response: Response): Promise<TaskRun>;
  apply(claims: RunClaims, event: RunEvent): Promise<TaskRun>;
}

const waitBody = z.object({
  on: z.array(z.string().min(1).max(300)).min(1).max(maxAwaited),
  slot: z.int().min(0).optional(),
}) satisfies z.ZodType<WaitBody>;

const durationBody = z.object({
  date: z.coerce.date(),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  idempotencyKeyTTL: z.string().optional(),
});

export function waitRoutes(deps: WaitRouteDeps, calls: AttemptCalls): Router {
  const router = Router();
  const { client, store, reader, waits, clock } = deps;
  const finders = {
    findBatch: (namespace: string, name: string) => findBatch({ client, store }, namespace, name),
    findToken: (namespace: string, name: string) => findToken({ client }, namespace, name),
  };
  const sources: AwaitedDeps & ResultDeps = {
    ...finders,
    batches: waits.batches,
    tokens: waits.tokens,
    store,
    reader,
    clock,
  };
  /** By the run's uid. */
  const open = new Map<string, AbortController>();

  router.post("/attempt/wait", async (request, response) => {
    const body = await bodyOf(waitBody, request, { maxBytes: maxAwaited * 320 });
    const claims = calls.claimsIn(response);
    const { ns: namespace, run: name, uid, attempt, podUid } = claims;
    const awaited = [...new Set(body.on)].map((id) => awaitedOf(sources, namespace, id));
    const left = new AbortController();
    open.get(uid)?.abort();
    open.set(uid, left);
    response.on("close", () => left.abort());
    try {
      const answer = await attemptWait({
        ...{ attempt, podUid, body, awaited, signal: left.signal, clock },
        load: () => calls.loadRun(response),
        seen: () => {
          const seen = reader.seen(namespace, name);
          return seen?.metadata.uid === uid ? seen : undefined;
        },
        watch: (onChange) => reader.watch(namespace, name, onChange),
        apply: (event) => calls.apply(claims, event),
        result: (id) => resultOf(sources, namespace, id),
      });
      if (!response.destroyed) response.json(answer);
    } finally {
      if (open.get(uid) === left) open.delete(uid);
    }
  });

  router.post("/runs/:id/wait/duration", async (request, response) => {
    const body = await bodyOf(durationBody, request);
    const { ns: namespace } = calls.claimsIn(response);
    const until = await durationUntil(deps, namespace, body);
    response.json({ waitUntil: until.toISOString(), waitpoint: { id: timeId(until.getTime()) } });
  });

  router.post("/runs/:id/waitpoints/tokens/:token/wait", async (request, response) => {
    const { ns: namespace } = calls.claimsIn(response);
    const id = param(request, "token");
    if (!(await finders.findToken(namespace, nameIn(id, idPrefix.waitpoint))))
      throw notFound(`token ${id.slice(0, 100)}`);
    response.json({ success: true });
  });

  return router;
}
