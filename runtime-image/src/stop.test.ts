import { afterEach, expect, test, vi } from "vitest";
import { Stop } from "./stop.ts";

const before = process.listeners("SIGTERM");
afterEach(() => {
  for (const one of process.listeners("SIGTERM")) if (!before.includes(one)) process.off("SIGTERM", one);
});

test.each([
  [30_000, 1000],
  [4000, 1000],
  [1000, 250],
])("a stop with %d ms of grace asks for its reason for at most %d ms", async (gracePeriodMs, expected) => {
  const ask = vi.fn(async () => undefined);
  const stop = new Stop({ ask, mark: () => undefined, gracePeriodMs });
  process.emit("SIGTERM");
  expect(await stop.type).toBe("shutdown");
  expect(ask).toHaveBeenCalledExactlyOnceWith(expected);
  expect(stop.signal.aborted).toBe(true);
});
