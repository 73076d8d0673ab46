/**
 * GET /realtime/fairlead/v1/runs/<id>: a run as server-sent events, each `data: <run object>`; the stream
 * ends when the run has ended, when the token that opened it expires, and when the key is revoked.
 *
 * A namespace has so many places, a public token fewer; what readers have not taken yet has a budget of
 * bytes (http/eventStream.ts).
 */
import { runId } from "@fairlead/protocol/ids";
import { Router } from "express";
import { Shares } from "../../lib/shares.ts";
import type { ApiKey } from "../auth/apiKey.ts";
import type { ApiKeys } from "../auth/apiKeys.ts";
import { lasts, may } from "../auth/rights.ts";
import { type Caller, callerIn } from "../http/caller.ts";
import { EventStream } from "../http/eventStream.ts";
import { param, runOfId } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { originOf } from "../packets.ts";
import { findRun } from "./access.ts";
import { type FeedDeps, RunFeeds } from "./feed.ts";

interface RunStreamDeps extends FeedDeps {
  keys: Pick<ApiKeys, "find">;
  clock: () => number;
}

const places = { each: 500, all: 1_000 };
const placesOfToken = { each: 100, all: places.all };
const mebibyte = 1024 * 1024;
const unsentBytes = { each: 32 * mebibyte, all: 96 * mebibyte };
const tickMs = 1_000;

export function runStreamRouter(deps: RunStreamDeps): Router {
  const router = Router();
  const feeds = new RunFeeds(deps);
  const unsent = new Shares(unsentBytes);
  const enter = entrance();
  const open = new Map<EventStream, Caller>();
  setInterval(() => tick(open, deps), tickMs).unref();

  router.get("/realtime/fairlead/v1/runs/:id", async (request, response) => {
    const run = runOfId(param(request, "id"));
    const id = runId(run.name, run.uid);
    const caller = callerIn(response);
    // Only a right to its task, tags or batch takes a look at the run.
    if (!may(caller, "read", { runs: id })) await findRun(deps, request, response, "read");
    const { namespace } = caller;
    const leavePlace = enter(caller);
    let stream: EventStream | undefined;
    const { feed, leave } = feeds.follow({ namespace, ...run }, () => {
      if (feed.hasFailed) response.destroy();
      else stream?.changed();
    });
    const close = (): void => {
      if (stream) open.delete(stream);
      leave();
      leavePlace();
    };
    try {
      await feed.begun;
      if (!feed.newest) throw notFound(`run ${id}`);
    } catch (error) {
      close();
      throw error;
    }
    // The client has left meanwhile: no "close" would ever come.
    if (response.destroyed) return close();
    response.on("close", close);
    const address = JSON.stringify(deps.links.address(originOf(request, caller))).slice(1, -1);
    stream = new EventStream(response, {
      ...{ source: feed, address, unsent, tenant: namespace, clock: deps.clock },
    });
    open.set(stream, caller);
  });
  return router;
}

/** A right that has ended, or is another by now, ends its streams. */
function tick(open: ReadonlyMap<EventStream, Caller>, { keys, clock }: RunStreamDeps): void {
  const nowMs = clock();
  const known = new Map<string, ApiKey | undefined>();
  for (const [stream, caller] of open) {
    const { key } = caller;
    if (!known.has(key)) known.set(key, keys.find(key));
    if (lasts(caller, known.get(key), nowMs)) stream.tick();
    else stream.close();
  }
}

/** Takes a place, and returns what gives it back. */
function entrance(): (caller: Caller) => () => void {
  const [ofNamespaces, ofTokens] = [new Shares(places), new Shares(placesOfToken)];
  return ({ namespace, tokenHash: token }) => {
    if (!ofNamespaces.take(namespace)) throw tooMany(places.each);
    if (token !== undefined && !ofTokens.take(token)) {
      ofNamespaces.give(namespace);
      throw tooMany(placesOfToken.each);
    }
    return () => {
      ofNamespaces.give(namespace);
      if (token !== undefined) ofTokens.give(token);
    };
  };
}

const tooMany = (limit: number): Problem =>
  new Problem(429, `Too many open streams, ${limit}: retry later`, { retry: true });
