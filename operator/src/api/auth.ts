/**
 * Who asks, and for which namespace. Bearer: a secret key, which may do everything in its namespace, or a public token
 * that was signed with one (HS256) and says what it may: `read:runs`, `read:runs:<id>`, `trigger:tasks:<id>` …
 */
import type { Request, RequestHandler, Response } from "express";
import { decodeJwt, jwtVerify, SignJWT } from "jose";
import type { ApiKey, ApiKeys } from "./keys.ts";
import { Problem } from "./problem.ts";

const issuer = "https://id.trigger.dev";
const audience = "https://api.trigger.dev";
const encode = (key: string): Uint8Array => new TextEncoder().encode(key);

export interface Caller {
  namespace: string;
  /** Signs public tokens of the namespace. */
  key: string;
  /** Of a public token; undefined: everything. */
  scopes?: string[];
}

export function authenticate(keys: Pick<ApiKeys, "find" | "of">): RequestHandler {
  return async (request, response, next) => {
    const [scheme, token = ""] = (request.get("authorization") ?? "").split(" ");
    const caller = scheme?.toLowerCase() === "bearer" ? await callerOf(keys, token) : undefined;
    if (!caller) throw new Problem(401, "Invalid or Missing API key");
    response.locals.caller = caller;
    next();
  };
}

async function callerOf(keys: Pick<ApiKeys, "find" | "of">, token: string): Promise<Caller | undefined> {
  if (token.split(".").length !== 3) return keys.find(token);
  let namespace: unknown;
  try {
    namespace = decodeJwt(token).sub;
  } catch {
    return undefined;
  }
  if (typeof namespace !== "string") return undefined;
  for (const { key } of keys.of(namespace)) {
    const scopes = await verify(token, key);
    if (scopes) return { namespace, key, scopes };
  }
  return undefined;
}

async function verify(token: string, key: string): Promise<string[] | undefined> {
  try {
    const { payload } = await jwtVerify(token, encode(key), { issuer, audience, algorithms: ["HS256"] });
    const { scopes, pub } = payload;
    return pub === true && Array.isArray(scopes) ? scopes.map(String) : undefined;
  } catch {
    return undefined;
  }
}

/** A public token of the caller's namespace. */
export function publicToken(
  { namespace, key }: ApiKey,
  scopes: readonly string[],
  lifetime = "1h",
): Promise<string> {
  return new SignJWT({ pub: true, scopes })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(namespace)
    .setIssuedAt()
    .setExpirationTime(lifetime)
    .sign(encode(key));
}

export const callerIn = (response: Response): Caller => response.locals.caller as Caller;

/** Secret keys may always; a public token needs one of these scopes, or the same without its last part. */
export function allow(response: Response, ...wanted: string[]): Caller {
  const caller = callerIn(response);
  const { scopes } = caller;
  const isAllowed = (scope: string): boolean =>
    scopes?.some((held) => held === scope || held === scope.split(":").slice(0, 2).join(":")) ?? true;
  if (!wanted.some(isAllowed)) {
    throw new Problem(403, `Unauthorized: the token lacks the scope ${wanted[0]}`, { code: "unauthorized" });
  }
  return caller;
}

/** What only a secret key may. */
export function secretOnly(_request: Request, response: Response, next: () => void): void {
  if (callerIn(response).scopes)
    throw new Problem(403, "Unauthorized: a secret key is needed", { code: "unauthorized" });
  next();
}
