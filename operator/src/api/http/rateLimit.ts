/**
 * How many requests a key may send: `burst` at once and `perSecond` in the long run, counted for each secret
 * key, and together for all public tokens that it signed. Each replica counts alone. A request beyond the
 * limit is answered 429; x-ratelimit-reset (milliseconds since the epoch) says when the next one is accepted.
 */
import type { RequestHandler } from "express";
import { type BucketLimit, TokenBuckets } from "../../lib/tokenBucket.ts";
import { callerIn } from "./caller.ts";

/** Keys that are counted; `perSecond` 0 means no limit. */
const maxKeys = 10_000;

export function rateLimit(limit: BucketLimit, clock: () => number): RequestHandler {
  const buckets = new TokenBuckets(limit, maxKeys);
  return (_request, response, next) => {
    if (limit.perSecond === 0) return next();
    const { key, scopes } = callerIn(response);
    const { allowed, remaining, resetAt } = buckets.take(scopes ? `public ${key}` : key, clock());
    response.set({
      "x-ratelimit-limit": String(limit.burst),
      "x-ratelimit-remaining": String(remaining),
      "x-ratelimit-reset": String(resetAt),
    });
    if (allowed) return next();
    const secondsUntilReset = Math.max(1, Math.ceil((resetAt - clock()) / 1000));
    const error = `Too many requests: this key may send ${limit.burst} at once and ${limit.perSecond} a second`;
    response.status(429).set("retry-after", String(secondsUntilReset)).type("application/problem+json").json({
      type: "about:blank",
      title: "Rate limit exceeded",
      status: 429,
      detail: error,
      error,
      limit: limit.burst,
      remaining,
      reset: resetAt,
      secondsUntilReset,
    });
  };
}
