/**
 * Who asks, and for which namespace. Bearer: a secret key, or a public token that was signed with one (HS256)
 * and lists its scopes: `read:runs`, `read:runs:<id>`, `trigger:tasks:<id>` … (scopes.ts). A token is allowed
 * nothing that its key is not. Or what the code in a run has (attemptCallers.ts).
 */
import { createHash, randomUUID } from "node:crypto";
import type { RequestHandler } from "express";
import { decodeJwt, errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import type { Caller } from "../http/caller.ts";
import { bearerOf } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import type { ApiKey } from "./apiKey.ts";
import type { ApiKeys } from "./apiKeys.ts";
import type { AttemptCallers } from "./attemptCallers.ts";

const issuer = "https://id.trigger.dev";
const audience = "https://api.trigger.dev";
const encode = (key: string): Uint8Array => new TextEncoder().encode(key);

type Keys = Pick<ApiKeys, "find" | "of" | "refusal">;
type Attempts = Pick<AttemptCallers, "isOne" | "of" | "keyOf" | "signer">;

/** `watched`: the namespaces of this release; none: all. */
export function authenticate(
  keys: Keys,
  attempts: Attempts,
  watched: readonly string[] = [],
): RequestHandler {
  return async (request, response, next) => {
    const token = bearerOf(request);
    const caller = token === undefined ? undefined : await findCaller(keys, attempts, token);
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

async function findCaller(keys: Keys, attempts: Attempts, token: string): Promise<Caller | undefined> {
  if (token.split(".").length !== 3) {
    const found = keys.find(token);
    if (found) return { kind: "key", ...ofKey(found) };
    const refusal = keys.refusal(token);
    if (refusal !== undefined)
      throw new Problem(401, `The API key does not count, ${refusal}. Use another key`, { retry: false });
    return undefined;
  }
  const { sub: namespace, aud, by } = claimed(token);
  if (attempts.isOne(aud)) return attempts.of(token);
  if (typeof namespace !== "string") return undefined;
  const signers =
    typeof by === "string"
      ? [attempts.signer(by)].filter((signer) => signer?.namespace === namespace)
      : [...keys.of(namespace), attempts.keyOf(namespace)].map((key) => ({ ...ofKey(key), secret: key.key }));
  for (const signer of signers) {
    const verified = signer && (await verify(token, signer.secret));
    if (!verified) continue;
    const { expiresAt = Number.POSITIVE_INFINITY, secret: _, ...rest } = signer;
    const ends = Math.min(expiresAt, verified.expiresAt);
    return { kind: "publicToken", ...rest, ...verified, expiresAt: ends };
  }
  return undefined;
}

/** What a token says of itself: not yet believed. */
function claimed(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}

const ofKey = ({ namespace, key, name, scopes, notAfter }: ApiKey): Omit<Caller, "kind"> => ({
  ...{ namespace, key, keyName: name, keyScopes: scopes, expiresAt: notAfter },
});

async function verify(
  token: string,
  key: string,
): Promise<Required<Pick<Caller, "scopes" | "tokenHash" | "isOneTime" | "expiresAt">> | undefined> {
  try {
    const options = { issuer, audience, algorithms: ["HS256"], requiredClaims: ["exp"] };
    const { payload } = await jwtVerify(token, encode(key), options);
    const { scopes, pub, otu, exp = 0 } = payload;
    if (pub !== true || !Array.isArray(scopes)) return undefined;
    // Without the signature, which can be spelt in several ways.
    const signed = token.slice(0, token.lastIndexOf("."));
    return {
      scopes: scopes.filter((scope) => typeof scope === "string"),
      tokenHash: createHash("sha256").update(signed).digest("hex"),
      isOneTime: otu === true,
      expiresAt: exp * 1000,
    };
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

/** A public token of the caller's namespace, unlike any other. `expires`: a duration, or Unix seconds. */
export function publicToken(
  { namespace, key }: Pick<Caller, "namespace" | "key">,
  scopes: readonly string[],
  { expires = "1h", oneTime = false }: { expires?: string | number; oneTime?: boolean } = {},
): Promise<string> {
  return new SignJWT({ pub: true, scopes, ...(oneTime ? { otu: true } : {}) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(namespace)
    .setIssuedAt()
    .setJti(randomUUID())
    .setExpirationTime(expires)
    .sign(encode(key));
}
