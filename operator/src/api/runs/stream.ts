/**
 * GET /realtime/fairlead/v1/runs/<id>: a run as server-sent events, each `data: <run object>`; the stream
 * ends when the run has ended, when the token that opened it expires, and when the key is revoked.
 *
 * A namespace has so many places, a public token fewer; what readers have not taken yet has a budget of
 * bytes (http/eventStream.ts).
 */
import { runId } from "@fairlead/protocol/ids";
import { type Request, Router } from "express";
import { Shares } from "../../lib/shares.ts";
import type { ApiKeys } from "../auth/apiKeys.ts";
import { allow } from "../auth/auth.ts";
import type { Caller } from "../http/caller.ts";
import { EventStream } from "../http/eventStream.ts";
import { bearerOf, param, runOfId } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { baseUrl } from "../packets.ts";
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
    const caller = allow(response, `read:runs:${id}`);
    const { namespace } = caller;
    const leavePlace = enter(caller, request);
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
    const address = JSON.stringify(baseUrl(request)).slice(1, -1);
    stream = new EventStream(response, {
      ...{ source: feed, address, unsent, tenant: namespace, clock: deps.clock },
    });
    open.set(stream, caller);
  });
  return router;
}

/** A right that has ended ends its streams. */
function tick(open: ReadonlyMap<EventStream, Caller>, { keys, clock }: RunStreamDeps): void {
  const now = clock();
  const namespaces = new Map<string, string | undefined>();
  for (const [stream, { key, namespace, expiresAt = Number.POSITIVE_INFINITY }] of open) {
    if (!namespaces.has(key)) namespaces.set(key, keys.find(key)?.namespace);
    if (expiresAt > now && namespaces.get(key) === namespace) stream.tick();
    else stream.close();
  }
}

/** Takes a place, and returns what gives it back. */
function entrance(): (caller: Caller, request: Request) => () => void {
  const [ofNamespaces, ofTokens] = [new Shares(places), new Shares(placesOfToken)];
  return ({ namespace, scopes }, request) => {
    const token = scopes && `${namespace} ${signedPart(bearerOf(request) ?? "")}`;
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

/** A signature can be spelt in several ways. */
const signedPart = (token: string): string => token.slice(0, token.lastIndexOf("."));
