/**
 * WaitTokens over HTTP.
 *
 *   POST /api/v1/waitpoints/tokens                        → {id, isCached, url}, header x-trigger-jwt
 *   GET  /api/v1/waitpoints/tokens, …/<id>                → tokens, newest first; one token
 *   POST /api/v1/waitpoints/tokens/<id>/complete          {data} → {success: true}
 *   POST /api/v1/waitpoints/tokens/<id>/callback/<hash>   the body becomes the output; needs no key
 *
 * The token that a create answers allows to complete this one token, for a day, from a browser too. The url
 * is for webhooks: it needs no header, and is not for pages of other origins.
 */
import { idPrefix, tokenId } from "@fairlead/protocol/ids";
import { type Request, Router } from "express";
import { z } from "zod";
import type { WaitToken } from "../../model/resources.ts";
import { publicToken } from "../auth/auth.ts";
import { allow, demand, lacks, may, mayAll } from "../auth/rights.ts";
import { type Caller, callerIn } from "../http/caller.ts";
import { bodyOf, countOf, nameIn, param, query, requestKeyOf } from "../http/input.ts";
import { notFound, Problem } from "../http/problem.ts";
import { type Links, originOf } from "../packets.ts";
import { delayOf } from "../runs/wire/times.ts";
import { checkTags, tagList } from "../runs/wire/triggerBody.ts";
import { completeToken, createToken, findToken, isListed, type TokenDeps } from "./tokens.ts";
import type { Waits } from "./waits.ts";
import { tokenFilterOf, tokenFilters, tokenItem, tokenObject } from "./wire.ts";

interface TokenRouteDeps extends TokenDeps {
  links: Pick<Links, "address">;
  waits: Pick<Waits, "tokens" | "callbackHash" | "namespaceOfCallback">;
}

const maxOutputBytes = 64 * 1024;
/** Upstream's. */
const defaultTimeout = "10m";

export const tokenCreateBody = z.strictObject({
  timeout: z.string().max(100).optional(),
  tags: tagList.optional(),
  idempotencyKey: z.string().min(1).max(2048).optional(),
  idempotencyKeyTTL: z.string().optional(),
});
export const tokenCompleteBody = z.strictObject({ data: z.unknown().optional() });

export function tokenRouter(deps: TokenRouteDeps): Router {
  const router = Router();
  const { waits } = deps;
  const urlOf = (request: Request, { metadata }: WaitToken): string =>
    `${deps.links.address(originOf(request, {}))}/api/v1/waitpoints/tokens/${tokenId(metadata.name)}/callback/${waits.callbackHash(metadata.namespace, metadata.name)}`;

  router.post("/api/v1/waitpoints/tokens", async (request, response) => {
    const caller = callerIn(response);
    demandAll(caller, "write", "waitpoints");
    const { timeout = defaultTimeout, tags = [], ...keyed } = await bodyOf(tokenCreateBody, request);
    checkTags(tags, "tags");
    const timeoutAt = new Date(
      delayOf(timeout, deps.clock(), { field: "timeout", status: 400 }),
    ).toISOString();
    const wanted = { timeoutAt, tags, ...keyed, requestKey: requestKeyOf(request) };
    const { token, isCached } = await createToken(deps, caller.namespace, "token", wanted);
    const id = tokenId(token.metadata.name);
    response.set("x-trigger-jwt", await publicToken(caller, [`write:waitpoints:${id}`], { expires: "24h" }));
    response.json({ id, isCached, url: urlOf(request, token) });
  });

  router.get("/api/v1/waitpoints/tokens", (request, response) => {
    const { namespace } = callerIn(response);
    demandAll(callerIn(response), "read", "waitpoints");
    const fits = tokenFilterOf(filtersIn(request), deps.clock());
    const found = waits.tokens.allOf(namespace).filter((token) => isListed(token) && fits(token));
    const page = pageOf(found, {
      size: countOf(request, "page[size]", 25, 100),
      after: query(request, "page[after]"),
      before: query(request, "page[before]"),
    });
    response.json({
      data: page.tokens.map((token) => tokenItem(token, urlOf(request, token))),
      pagination: page.pagination,
    });
  });

  router.get("/api/v1/waitpoints/tokens/:id", async (request, response) => {
    const id = param(request, "id");
    const caller = callerIn(response);
    // Who may complete it may see whether it is.
    if (!may(caller, "write", { waitpoints: id })) demand(caller, "read", { waitpoints: id });
    const { namespace } = caller;
    const token = await demandToken(deps, namespace, id);
    response.json(tokenObject(token, urlOf(request, token)));
  });

  router.post("/api/v1/waitpoints/tokens/:id/complete", async (request, response) => {
    const id = param(request, "id");
    const { namespace } = allow(response, "write", { waitpoints: id });
    const { data } = await bodyOf(tokenCompleteBody, request, { maxBytes: maxOutputBytes });
    await completeToken(deps, await demandToken(deps, namespace, id), data);
    response.json({ success: true });
  });

  return router;
}

/** For webhooks: whoever has the URL may complete the token. */
export function callbackRouter(deps: TokenRouteDeps): Router {
  const router = Router();
  router.post("/api/v1/waitpoints/tokens/:id/callback/:hash", async (request, response) => {
    const id = param(request, "id");
    const name = nameIn(id, idPrefix.waitpoint);
    const namespace = deps.waits.namespaceOfCallback(name, param(request, "hash"));
    if (namespace === undefined) throw notFound("token with this URL");
    const output = await bodyOf(z.unknown(), request, { maxBytes: maxOutputBytes });
    await completeToken(deps, await demandToken(deps, namespace, id), output);
    response.json({ success: true });
  });
  return router;
}

/** A token of one WaitToken makes and lists none. */
function demandAll(caller: Caller, verb: "read" | "write", kind: "waitpoints"): void {
  if (!mayAll(caller, verb, kind)) throw lacks(`${verb}:${kind}`);
}

async function demandToken(deps: TokenDeps, namespace: string, id: string): Promise<WaitToken> {
  const token = await findToken(deps, namespace, nameIn(id, idPrefix.waitpoint));
  if (!token) throw notFound(`token ${id.slice(0, 100)}`);
  return token;
}

function filtersIn(request: Request): Map<string, string> {
  const given = new Map<string, string>();
  for (const [name, value] of Object.entries(request.query)) {
    if (/^page\[(size|after|before)\]$/.test(name) || value === "") continue;
    const field = tokenFilters.find((one) => name === `filter[${one}]`);
    if (!field)
      throw new Problem(
        400,
        `${name.slice(0, 80)}: not supported: use ${tokenFilters.map((one) => `filter[${one}]`).join(", ")}`,
      );
    if (typeof value !== "string") throw new Problem(400, `${name}: given more than once`);
    given.set(field, value);
  }
  return given;
}

/** Newest first. A cursor is the place of a token, also of one that is gone. */
function pageOf(
  found: readonly WaitToken[],
  { size, after, before }: { size: number; after?: string; before?: string },
) {
  const all = found
    .map((token) => ({ token, cursor: cursorOf(token) }))
    .sort((a, b) => (a.cursor < b.cursor ? 1 : -1));
  const start = after !== undefined ? all.findIndex(({ cursor }) => cursor < after) : 0;
  const end = before !== undefined ? all.findLastIndex(({ cursor }) => cursor > before) + 1 : undefined;
  const from = start < 0 ? all.length : end === undefined ? start : Math.max(0, end - size);
  const page = all.slice(from, end ?? from + size);
  const next = from + page.length < all.length ? page.at(-1)?.cursor : undefined;
  return {
    tokens: page.map(({ token }) => token),
    pagination: { next, previous: from > 0 ? page[0]?.cursor : undefined },
  };
}

const cursorOf = ({ metadata }: WaitToken): string => `${metadata.creationTimestamp}_${metadata.name}`;
