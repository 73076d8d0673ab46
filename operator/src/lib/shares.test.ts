import { expect, test } from "vitest";
import { Shares } from "./shares.ts";

const rounds = 2_000;

test("a tenant never holds more than its share, and all together no more than there is", () => {
  const shares = new Shares({ each: 10, all: 25 });
  const held = new Map<string, number[]>();
  const sumOf = (amounts: readonly number[]): number => amounts.reduce((a, b) => a + b, 0);
  let seed = 7;
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let round = 0; round < rounds; round++) {
    const tenant = `team-${next(5)}`;
    const own = held.get(tenant) ?? [];
    held.set(tenant, own);
    const before = sumOf([...held.values()].flat());
    if (next(2) === 0 && own.length > 0) shares.give(tenant, own.pop());
    else {
      const amount = 1 + next(12);
      const fits = sumOf(own) + amount <= 10 && before + amount <= 25;
      expect(shares.take(tenant, amount)).toBe(fits);
      if (fits) own.push(amount);
    }
  }
});
