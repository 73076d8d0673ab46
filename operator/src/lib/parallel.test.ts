import { beforeEach, expect, test } from "vitest";
import { inParallel } from "./parallel.ts";

let running = 0;
let most = 0;
let ended: number[] = [];

beforeEach(() => {
  running = most = 0;
  ended = [];
});

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n).values();

async function task(n: number): Promise<void> {
  running += 1;
  most = Math.max(most, running);
  await Promise.resolve();
  running -= 1;
  ended.push(n);
  if (n === 5) throw new Error("five");
}

test("no more tasks run at once than are allowed", async () => {
  await inParallel(numbers(5), 3, task);
  expect(most).toBe(3);
  expect(ended).toEqual([0, 1, 2, 3, 4]);
});

test("the first failure is thrown, no task starts after it, and all that had begun have ended", async () => {
  await expect(inParallel(numbers(100), 3, task)).rejects.toThrow("five");
  expect(ended.length).toBeLessThan(10);
  expect(running).toBe(0);
});

test("no task starts without leave", async () => {
  let leave = 4;
  await inParallel(numbers(5), 3, task, () => leave-- > 0);
  expect(ended).toEqual([0, 1, 2, 3]);
});
