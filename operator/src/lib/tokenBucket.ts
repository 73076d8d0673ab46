/**
 * Token buckets, one for each key: a bucket holds at most `burst` tokens and gains `perSecond` new ones. Only
 * the buckets that were used last are kept: one that is forgotten is full again, and so it would be after a
 * while anyway.
 */
import { LRUCache } from "lru-cache";

export interface BucketLimit {
  /** Tokens that a bucket gains in a second. */
  perSecond: number;
  /** Tokens of a full bucket. */
  burst: number;
}

interface TokenGrant {
  allowed: boolean;
  /** Whole tokens that are left. */
  remaining: number;
  /** Milliseconds since the epoch: when the bucket has a token (again). */
  resetAt: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

export class TokenBuckets {
  readonly #limit: BucketLimit;
  readonly #buckets: LRUCache<string, Bucket>;

  constructor(limit: BucketLimit, maxKeys: number) {
    this.#limit = limit;
    this.#buckets = new LRUCache({ max: maxKeys });
  }

  /** Takes a token, if there is one. */
  take(key: string, nowMs: number): TokenGrant {
    const { perSecond, burst } = this.#limit;
    const before = this.#buckets.get(key) ?? { tokens: burst, at: nowMs };
    const gained = (Math.max(0, nowMs - before.at) / 1000) * perSecond;
    const tokens = Math.min(burst, before.tokens + gained);
    // At `resetAt` there is a whole one, whatever was lost in adding fractions.
    const allowed = tokens >= 1 - 1e-6;
    const left = allowed ? Math.max(0, tokens - 1) : tokens;
    this.#buckets.set(key, { tokens: left, at: nowMs });
    const missing = Math.max(0, 1 - left);
    return { allowed, remaining: Math.floor(left), resetAt: nowMs + Math.ceil((missing / perSecond) * 1000) };
  }
}
