import fc from "fast-check";
import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("a tenant may take its burst at once, then as fast as its rate; others are not slowed", () => {
  let now = 1_000_000;
  const pace = new Pace({ perSecond: 100, burst: 50 }, () => now);
  expect(pace.take("a", 50)).toBe(0);
  expect(pace.take("a", 10)).toBeCloseTo(100);
  expect(pace.take("a", 10)).toBeCloseTo(200);
  expect(pace.take("b", 50)).toBe(0);
  now += 200;
  expect(pace.take("a", 1)).toBeCloseTo(10);
  now += 60_000;
  expect(pace.take("a", 50)).toBe(0);
});

test("whoever waits as told never gets more than its rate and one burst", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 100 }), (amounts) => {
      let now = 1e6;
      const begun = now;
      const pace = new Pace({ perSecond: 1000, burst: 100 }, () => now);
      let taken = 0;
      for (const amount of amounts) {
        now += pace.take("a", amount);
        taken += amount;
        expect(taken).toBeLessThanOrEqual(now - begun + 100 + 1e-6);
      }
    }),
  );
});
