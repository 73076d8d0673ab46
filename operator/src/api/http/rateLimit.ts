/**
 * How many requests a key may send: a bucket of `burst` tokens that gets `perSecond` new ones, for each secret key, and
 * one for all public tokens that it signed. Every replica counts on its own. A request that finds the bucket empty is answered
 * 429; x-ratelimit-reset (milliseconds since the epoch) says when the next one is let in.
 */
import type { RequestHandler } from "express";
import { callerIn } from "../auth/auth.ts";

export interface RateLimit {
  /** Requests a second in the long run; 0: no limit. */
  perSecond: number;
  /** Requests at once. */
  burst: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

export interface Grant {
  allowed: boolean;
  remaining: number;
  /** Milliseconds since the epoch: when there is a token (again). */
  resetAt: number;
}

/** Full ones are forgotten first: a key that comes back finds a full one anyway. */
const bucketsKept = 10_000;

export class Buckets {
  readonly #limit: RateLimit;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Takes a token, if there is one. */
  take(key: string, nowMs: number): Grant {
    const { perSecond, burst } = this.#limit;
    const known = this.#buckets.get(key) ?? { tokens: burst, at: nowMs };
    const gained = (Math.max(0, nowMs - known.at) / 1000) * perSecond;
    const tokens = Math.min(burst, known.tokens + gained);
    // At the time that was named there is a whole one, whatever is lost in adding fractions.
    const allowed = tokens >= 1 - 1e-6;
    const left = allowed ? Math.max(0, tokens - 1) : tokens;
    // The one that was used last is the last in the map.
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: left, at: nowMs });
    if (this.#buckets.size > bucketsKept) this.#buckets.delete(this.#buckets.keys().next().value ?? "");
    const missing = Math.max(0, 1 - left);
    return {
      allowed,
      remaining: Math.floor(left),
      resetAt: nowMs + Math.ceil((missing / perSecond) * 1000),
    };
  }
}

export function rateLimit(limit: RateLimit, clock: () => number): RequestHandler {
  const buckets = new Buckets(limit);
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
    response
      .status(429)
      .set("retry-after", String(secondsUntilReset))
      .type("application/problem+json")
      .json({
        ...{ type: "about:blank", title: "Rate limit exceeded", status: 429, detail: error },
        ...{ error, limit: limit.burst, remaining, reset: resetAt, secondsUntilReset },
      });
  };
}
