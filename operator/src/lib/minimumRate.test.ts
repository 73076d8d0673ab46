import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { minimumRate } from "./minimumRate.ts";

const slowest = { bytesPerSecond: 100, windowMs: 1_000 };
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a transfer that keeps its rate goes on, however long it takes", () => {
  const ended = vi.fn();
  const rate = minimumRate(slowest, ended);
  for (let second = 0; second < 3_600; second++) {
    rate.moved(100);
    vi.advanceTimersByTime(1_000);
  }
  expect(ended).not.toHaveBeenCalled();
  rate.stop();
});

test.each([0, 1, 99])("a transfer that moved %i bytes in a window is ended, once", (bytes) => {
  const ended = vi.fn();
  const rate = minimumRate(slowest, ended);
  rate.moved(bytes);
  vi.advanceTimersByTime(10_000);
  expect(ended).toHaveBeenCalledOnce();
});

test("a window in which nothing is asked of the other side does not count", () => {
  const ended = vi.fn();
  const rate = minimumRate(slowest, ended);
  rate.pause();
  vi.advanceTimersByTime(10_000);
  expect(ended).not.toHaveBeenCalled();
  rate.moved(0);
  vi.advanceTimersByTime(1_000);
  expect(ended).toHaveBeenCalledOnce();
});
