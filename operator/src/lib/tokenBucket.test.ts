import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenBuckets } from "./tokenBucket.ts";

describe("token buckets", () => {
  it("a bucket allows a burst, then one for each token that it gains", () => {
    const buckets = new TokenBuckets({ perSecond: 2, burst: 3 }, 10);
    expect([1, 2, 3].map(() => buckets.take("k", 0).allowed)).toEqual([true, true, true]);
    expect(buckets.take("k", 0)).toEqual({ allowed: false, remaining: 0, resetAt: 500 });
    expect(buckets.take("k", 499).allowed).toBe(false);
    expect(buckets.take("k", 500).allowed).toBe(true);
    expect(buckets.take("k", 60_000)).toEqual({ allowed: true, remaining: 2, resetAt: 60_000 });
  });

  it("each key has a bucket of its own", () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 10);
    expect(buckets.take("a", 0).allowed).toBe(true);
    expect(buckets.take("b", 0).allowed).toBe(true);
    expect(buckets.take("a", 0).allowed).toBe(false);
  });

  it("only the buckets that were used last are kept", () => {
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 2);
    for (const key of ["a", "b", "c"]) buckets.take(key, 0);
    expect(buckets.take("c", 0).allowed).toBe(false);
    expect(buckets.take("a", 0).allowed).toBe(true);
  });

  it("a bucket never allows more than burst and time do, and allows one at the time that it named", () => {
    const limits = { perSecond: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 20 }) };
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.record(limits), gaps, (limit, waits) => {
        const buckets = new TokenBuckets(limit, 10);
        let [now, allowed] = [0, 0];
        for (const wait of waits) {
          now += wait;
          const grant = buckets.take("k", now);
          if (grant.allowed) allowed++;
          else {
            now = grant.resetAt;
            expect(buckets.take("k", now).allowed).toBe(true);
            allowed++;
          }
          expect(allowed).toBeLessThanOrEqual(limit.burst + (now / 1000) * limit.perSecond + 1e-3);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
