import fc from "fast-check";
import { expect, test } from "vitest";
import { TimerHeap } from "./timerHeap.ts";

test("a heap gives back what a sorted list would, whatever is set and deleted", () => {
  const key = fc.nat(24).map((n) => `k${n}`);
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("set" as const), key, at: fc.nat(60) }) },
    fc.record({ do: fc.constant("delete" as const), key }),
    fc.record({ do: fc.constant("take" as const), now: fc.nat(60) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
      const heap = new TimerHeap();
      const model = new Map<string, number>();
      for (const s of steps) {
        if (s.do === "set") {
          heap.set(s.key, s.at);
          model.set(s.key, Math.min(s.at, model.get(s.key) ?? s.at));
        } else if (s.do === "delete") {
          heap.delete(s.key);
          model.delete(s.key);
        } else {
          const earliest = Math.min(...model.values());
          const taken = heap.takeDue(s.now);
          if (earliest > s.now) expect(taken).toBeUndefined();
          else {
            expect(model.get(taken as string)).toBe(earliest);
            model.delete(taken as string);
          }
        }
        expect(heap.size).toBe(model.size);
        expect(heap.nextAt).toBe(model.size > 0 ? Math.min(...model.values()) : undefined);
      }
    }),
    { numRuns: 500 },
  );
});
