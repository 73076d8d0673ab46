import fc from "fast-check";
import { expect, test } from "vitest";
import { FairGate, TooBusyError } from "./fairGate.ts";

/** Work that ends when it is told to, and what has begun, in order. */
function bench(gate: FairGate) {
  const begun: string[] = [];
  const ends: { tenant: string; end: () => void }[] = [];
  const ask = (tenant: string): Promise<void> =>
    gate.run(tenant, () => {
      begun.push(tenant);
      return new Promise((resolve) => void ends.push({ tenant, end: resolve }));
    });
  const turn = () => new Promise(setImmediate);
  return { begun, ends, ask, turn };
}

test("a tenant with a long queue delays another by what runs, not by what waits", async () => {
  const { begun, ends, ask, turn } = bench(new FairGate({ each: 2, all: 3, waiting: 100 }));
  for (let n = 0; n < 50; n++) void ask("hostile");
  void ask("honest");
  await turn();
  // Its own places leave one.
  expect(begun).toEqual(["hostile", "hostile", "honest"]);
  void ask("honest");
  void ask("other");
  ends.shift()?.end();
  await turn();
  ends.shift()?.end();
  await turn();
  expect(begun.slice(3).sort()).toEqual(["honest", "hostile"].sort());
});

test("tenants that wait take turns", async () => {
  const { begun, ends, ask, turn } = bench(new FairGate({ each: 1, all: 1, waiting: 100 }));
  for (const tenant of ["a", "a", "a", "a", "b", "b", "c"]) void ask(tenant);
  for (let n = 0; n < 7; n++) {
    await turn();
    ends.shift()?.end();
  }
  expect(begun.join("")).toBe("aabcaba");
});

test("a tenant has all places while it is alone, and its share beside others", async () => {
  let now = 0;
  const gate = new FairGate({ each: 4, shared: 4, all: 100, waiting: 100 }, () => now);
  const { begun, ends, ask, turn } = bench(gate);
  for (let n = 0; n < 8; n++) void ask("a");
  await turn();
  expect(begun.length).toBe(4);
  void ask("b");
  await turn();
  expect(begun.at(-1)).toBe("b");
  // Above its share of 2 nothing of it begins.
  for (let n = 0; n < 2; n++) ends.shift()?.end();
  await turn();
  expect(begun.length).toBe(5);
  ends.shift()?.end();
  await turn();
  expect(begun.length).toBe(6);
  // The other one has not asked for a second.
  now = 1_001;
  ends.shift()?.end();
  await turn();
  expect(ends.filter(({ tenant }) => tenant === "a").length).toBe(4);
});

test("work beyond the queue's bound is refused, and only that of its tenant", async () => {
  const { ends, ask, turn } = bench(new FairGate({ each: 1, all: 2, waiting: 2 }));
  const kept = [ask("a"), ask("a"), ask("a")];
  await expect(ask("a")).rejects.toBeInstanceOf(TooBusyError);
  kept.push(ask("b"));
  for (let n = 0; n < 4; n++) {
    await turn();
    ends.shift()?.end();
  }
  await Promise.all(kept);
});

test("work that fails gives its place back", async () => {
  const gate = new FairGate({ each: 1, all: 1, waiting: 1 });
  await expect(gate.run("a", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await gate.run("b", async () => 1)).toBe(1);
});

test("limits hold, nothing is forgotten, and a free place is never kept from one who may have it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ each: fc.integer({ min: 1, max: 4 }), all: fc.integer({ min: 1, max: 6 }) }),
      fc.array(fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(10)), { maxLength: 60 }),
      async (limits, steps) => {
        const { begun, ends, ask, turn } = bench(new FairGate({ ...limits, waiting: 1000 }));
        const asked: Record<string, number> = { a: 0, b: 0, c: 0 };
        const ended: Record<string, number> = { a: 0, b: 0, c: 0 };
        const finish = async (at: number): Promise<void> => {
          const [one] = ends.splice(at, 1);
          if (one) ended[one.tenant] = (ended[one.tenant] ?? 0) + 1;
          one?.end();
          await turn();
        };
        for (const step of steps) {
          if (typeof step === "string") {
            void ask(step);
            asked[step] = (asked[step] ?? 0) + 1;
            await turn();
          } else if (ends.length > 0) await finish(step % ends.length);
          const running = Object.fromEntries(
            ["a", "b", "c"].map((one) => [one, ends.filter(({ tenant }) => tenant === one).length]),
          );
          expect(ends.length).toBeLessThanOrEqual(limits.all);
          for (const [tenant, count] of Object.entries(running)) {
            expect(count).toBeLessThanOrEqual(limits.each);
            const waits = (asked[tenant] ?? 0) - (ended[tenant] ?? 0) - count;
            const mayRun = ends.length < limits.all && count < limits.each;
            expect(waits > 0 && mayRun).toBe(false);
          }
        }
        while (ends.length > 0) await finish(0);
        expect(begun.length).toBe(Object.values(asked).reduce((sum, count) => sum + count, 0));
      },
    ),
    { numRuns: 60 },
  );
});
