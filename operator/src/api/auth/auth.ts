/**
 * Who asks, and for which namespace. Bearer: a secret key, which is allowed everything in its namespace, or a
 * public token that was signed with one (HS256) and lists its scopes: `read:runs`, `read:runs:<id>`,
 * `trigger:tasks:<id>` …
 */
import { createHash } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import { decodeJwt, errors, jwtVerify, SignJWT } from "jose";
import { type Caller, callerIn } from "../http/caller.ts";
import { bearerOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import type { ApiKey, ApiKeys } from "./apiKeys.ts";

const issuer = "https://id.trigger.dev";
const audience = "https://api.trigger.dev";
const encode = (key: string): Uint8Array => new TextEncoder().encode(key);

/** `watched`: the namespaces of this release; none: all. */
export function authenticate(
  keys: Pick<ApiKeys, "find" | "of">,
  watched: readonly string[] = [],
): RequestHandler {
  return async (request, response, next) => {
    const token = bearerOf(request);
    const caller = token === undefined ? undefined : await findCaller(keys, token);
    if (!caller) throw new Problem(401, "Invalid or Missing API key");
    if (watched.length > 0 && !watched.includes(caller.namespace)) {
      throw new Problem(
        403,
        `The key opens the namespace ${caller.namespace}, which this release does not watch: add it to watchNamespaces, or use a key of another namespace`,
        { retry: false },
      );
    }
    response.locals.caller = caller;
    next();
  };
}

async function findCaller(keys: Pick<ApiKeys, "find" | "of">, token: string): Promise<Caller | undefined> {
  if (token.split(".").length !== 3) return keys.find(token);
  let namespace: unknown;
  try {
    namespace = decodeJwt(token).sub;
  } catch {
    return undefined;
  }
  if (typeof namespace !== "string") return undefined;
  for (const { key } of keys.of(namespace)) {
    const verified = await verify(token, key);
    if (verified) return { namespace, key, ...verified };
  }
  return undefined;
}

async function verify(
  token: string,
  key: string,
): Promise<(Required<Pick<Caller, "scopes">> & Pick<Caller, "oneTime" | "expiresAt">) | undefined> {
  try {
    const { payload } = await jwtVerify(token, encode(key), { issuer, audience, algorithms: ["HS256"] });
    const { scopes, pub, otu, exp } = payload;
    if (pub !== true || !Array.isArray(scopes)) return undefined;
    // Without the signature, which can be spelt in several ways.
    const signed = token.slice(0, token.lastIndexOf("."));
    const oneTime = otu === true ? createHash("sha256").update(signed).digest("hex") : undefined;
    const expiresAt = exp && exp * 1000;
    return { scopes: scopes.filter((scope) => typeof scope === "string"), oneTime, expiresAt };
  } catch (error) {
    // The signature is right: these are thrown after it was checked.
    if (error instanceof errors.JWTExpired)
      throw new Problem(401, "The public token has expired: make a new one");
    if (error instanceof errors.JWTClaimValidationFailed) {
      throw new Problem(
        401,
        `The public token is not for this API: its claim "${error.claim}" is wrong; make one with auth.createPublicToken`,
      );
    }
    return undefined;
  }
}

/** A public token of the caller's namespace. `expires`: a duration, or Unix seconds. */
export function publicToken(
  { namespace, key }: ApiKey,
  scopes: readonly string[],
  { expires = "1h", oneTime = false }: { expires?: string | number; oneTime?: boolean } = {},
): Promise<string> {
  return new SignJWT({ pub: true, scopes, ...(oneTime ? { otu: true } : {}) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(namespace)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(encode(key));
}

/**
 * Secret keys are allowed everything; a public token needs one of these scopes, or one without its last part.
 */
export function allow(response: Response, ...wanted: string[]): Caller {
  const caller = callerIn(response);
  demand(caller, ...wanted);
  return caller;
}

/** The same, for scopes that are known only after the body was read. */
export function demand({ scopes }: Caller, ...wanted: string[]): void {
  const isAllowed = (scope: string): boolean =>
    scopes?.some((held) => held === scope || held === scope.split(":").slice(0, 2).join(":")) ?? true;
  if (wanted.some(isAllowed)) return;
  throw new Problem(403, `Unauthorized: the token lacks the scope ${wanted[0]?.slice(0, 200)}`, {
    code: "unauthorized",
  });
}

/**
 * A public token needs a scope with one of these prefixes. For requests whose body decides which task they
 * are for: `demand` then checks the whole scope.
 */
export function allowPrefix(response: Response, ...prefixes: string[]): Caller {
  const caller = callerIn(response);
  const hasPrefix = (held: string): boolean =>
    prefixes.some((prefix) => held === prefix || held.startsWith(`${prefix}:`));
  if (caller.scopes && !caller.scopes.some(hasPrefix)) demand(caller, ...prefixes);
  return caller;
}

/** Refuses public tokens. */
export function secretOnly(_request: Request, response: Response, next: () => void): void {
  if (callerIn(response).scopes)
    throw new Problem(403, "Unauthorized: a secret key is needed", { code: "unauthorized" });
  next();
}
