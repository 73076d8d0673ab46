import { expect, test } from "vitest";
import { SharedRead } from "./sharedRead.ts";

/** Reads that the test ends one by one; each answers with its number. */
function reads() {
  const open: { key: string; questions: readonly string[]; end: (error?: Error) => void }[] = [];
  const shared = new SharedRead<number>((key, questions) => {
    const number = open.length;
    return new Promise((resolve, reject) => {
      open.push({ key, questions, end: (error) => (error ? reject(error) : resolve(number)) });
    });
  });
  return { open, shared };
}
const turn = () => new Promise(setImmediate);

test("those who ask in one turn share one read", async () => {
  const { open, shared } = reads();
  const answers = Array.from({ length: 100 }, (_, n) => shared.get("n", `q${n % 50}`));
  await turn();
  expect(open.map(({ questions }) => questions.length)).toEqual([50]);
  open[0]?.end();
  expect(new Set(await Promise.all(answers))).toEqual(new Set([0]));
});

test("those who ask while a read is under way share the next one, which begins after it", async () => {
  const { open, shared } = reads();
  const first = shared.get("n", "a");
  await turn();
  const later = [shared.get("n", "b"), shared.get("n", "c")];
  await turn();
  expect(open).toHaveLength(1);
  open[0]?.end();
  await turn();
  open[1]?.end();
  expect([await first, ...(await Promise.all(later))]).toEqual([0, 1, 1]);
  expect(open.map(({ questions }) => questions)).toEqual([["a"], ["b", "c"]]);
});

test("a read that fails is the failure of those who asked for it, and of no later one", async () => {
  const { open, shared } = reads();
  const first = shared.get("n", "a");
  await turn();
  open[0]?.end(new Error("no answer"));
  await expect(first).rejects.toThrow("no answer");
  const second = shared.get("n", "a");
  await turn();
  open[1]?.end();
  expect(await second).toBe(1);
});

test("keys do not wait for each other", async () => {
  const { open, shared } = reads();
  void shared.get("a", "a");
  void shared.get("b", "a");
  await turn();
  expect(open.map(({ key }) => key)).toEqual(["a", "b"]);
});
