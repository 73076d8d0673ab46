import type { WaitAnswer, WaitBody } from "@fairlead/protocol/runnerApi";
import { expect, test } from "vitest";
import { Refused } from "../http.ts";
import { Waits } from "./waits.ts";

/** The API, played by the test: each call waits for its turn to be answered. */
function played() {
  const calls: {
    body: WaitBody;
    answer(value: WaitAnswer): void;
    fail(error: Error): void;
    signal: AbortSignal;
  }[] = [];
  const changed: (() => void)[] = [];
  const api = {
    wait: (body: WaitBody, signal: AbortSignal) =>
      new Promise<WaitAnswer>((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        calls.push({ body, answer: resolve, fail: reject, signal });
        for (const one of changed.splice(0)) one();
      }),
  };
  const call = async (index: number) => {
    while (!calls[index]) await new Promise<void>((resolve) => changed.push(resolve));
    return calls[index];
  };
  const said: string[] = [];
  return { waits: new Waits(api, (line) => said.push(line)), call, calls, said };
}

test("one wait is one call, and its result comes with the slot that the next call names", async () => {
  const { waits, call } = played();
  const first = waits.for("run_a");
  expect((await call(0)).body).toEqual({ on: ["run_a"], slot: undefined });
  (await call(0)).answer({ slot: 2, results: { run_a: { ok: true } } });
  expect(await first).toEqual({ ok: true });
  const second = waits.for("run_b");
  expect((await call(1)).body).toEqual({ on: ["run_b"], slot: 2 });
  (await call(1)).answer({ slot: 3, results: { run_b: { ok: false } } });
  expect(await second).toEqual({ ok: false });
});

test("a wait that is added ends the call, and the next call has both", async () => {
  const { waits, call } = played();
  void waits.for("run_a");
  const { signal } = await call(0);
  void waits.for("run_b");
  expect((await call(1)).body.on).toEqual(["run_a", "run_b"]);
  expect(signal.aborted).toBe(true);
});

test("of several waits each gets its result as it comes; what is left is waited for with the new slot", async () => {
  const { waits, call } = played();
  const all = Promise.all(["run_a", "run_b", "run_a"].map((id) => waits.for(id)));
  (await call(1)).answer({ slot: 2, results: { run_b: { n: 2 } } });
  expect((await call(2)).body).toEqual({ on: ["run_a"], slot: 2 });
  (await call(2)).answer({ slot: 3, results: { run_a: { n: 1 } } });
  expect(await all).toEqual([{ n: 1 }, { n: 2 }, { n: 1 }]);
});

test("nothing settled, no answer, an answer that is lost: the same is asked again", async () => {
  const { waits, call, said } = played();
  const result = waits.for("run_a");
  (await call(0)).answer({});
  (await call(1)).fail(new Error("connection reset"));
  expect((await call(2)).body).toEqual({ on: ["run_a"], slot: undefined });
  (await call(2)).answer({ slot: 2, results: {} });
  expect((await call(3)).body).toEqual({ on: ["run_a"], slot: 2 });
  (await call(3)).answer({ slot: 2, results: { run_a: {} } });
  await result;
  expect(said).toEqual([expect.stringContaining("connection reset")]);
});

test("an attempt that does not go on hands nothing over; what the API does not understand fails the waits", async () => {
  const over = played();
  let isOver = false;
  void over.waits.for("run_a").finally(() => {
    isOver = true;
  });
  (await over.call(0)).fail(new Refused(409, "stopped"));
  const wrong = played();
  const refused = wrong.waits.for("nonsense");
  (await wrong.call(0)).fail(new Refused(400, "on: no id"));
  await expect(refused).rejects.toThrow("on: no id");
  expect([isOver, over.calls.length]).toEqual([false, 1]);
  void wrong.waits.for("run_b");
  expect((await wrong.call(1)).body.on).toEqual(["run_b"]);
});
