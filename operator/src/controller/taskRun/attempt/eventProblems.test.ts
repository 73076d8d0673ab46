import { expect, test } from "vitest";
import type { KubeClient } from "../../../kube/client/client.ts";
import { type EventDeps, EventProblems } from "./eventProblems.ts";

/** An API server with the Events of so many Jobs, which counts the pages that are read. */
function world(jobs: number) {
  const state = { now: 0, reads: 0, fails: false };
  const list = async (_resource: unknown, _namespace: unknown, { limit = 0, continue: from = "0" }) => {
    state.reads++;
    if (state.fails) throw new Error("no answer");
    const end = Math.min(jobs, Number(from) + limit);
    const items = [];
    for (let n = Number(from); n < end; n++)
      items.push({ involvedObject: { uid: `job-${n}` }, reason: "FailedCreate", message: `quota of ${n}` });
    return { items, metadata: { continue: end < jobs ? String(end) : undefined } };
  };
  const deps: EventDeps = {
    client: { list: list as unknown as KubeClient["list"] },
    log: { warn: () => undefined } as unknown as EventDeps["log"],
    clock: () => state.now,
  };
  return { state, problems: new EventProblems("jobs", deps) };
}

const quota = (n: number) => ({ reason: "FailedCreate", message: `quota of ${n}` });

test("a thousand Jobs that ask for their problems cost one read of Events in five seconds", async () => {
  const { state, problems } = world(1_000);
  for (const at of [0, 1_000, 4_999]) {
    state.now = at;
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => problems.of("n", `job-${n}`)));
    expect(answers).toEqual(Array.from({ length: 1_000 }, (_, n) => quota(n)));
    expect(state.reads).toBe(2);
  }
  state.now = 5_000;
  await problems.of("n", "job-1");
  expect(state.reads).toBe(4);
});

test("one read has at most two pages; the next one continues, and what was read stays known", async () => {
  const { state, problems } = world(2_500);
  expect(await problems.of("n", "job-2400")).toBeUndefined();
  expect(state.reads).toBe(2);
  for (let round = 1; round <= 2; round++) {
    state.now = round * 5_000;
    await problems.of("n", "job-0");
  }
  expect(state.reads).toBe(5);
  expect([await problems.of("n", "job-0"), await problems.of("n", "job-2400")]).toEqual([
    quota(0),
    quota(2400),
  ]);
});

test("Events that cannot be read are no answer, and no failure", async () => {
  const { state, problems } = world(1);
  state.fails = true;
  expect(await problems.of("n", "job-0")).toBeUndefined();
  expect(await problems.of("n", "job-0")).toBeUndefined();
  expect(state.reads).toBe(1);
  state.fails = false;
  state.now = 5_000;
  expect(await problems.of("n", "job-0")).toEqual(quota(0));
});

test("of a pod's warnings only those count that keep it from starting", async () => {
  const items = [
    { involvedObject: { uid: "p1" }, reason: "FailedMount", message: 'secret "x" not found' },
    { involvedObject: { uid: "p1" }, reason: "Unhealthy", message: "probe failed" },
  ];
  const asked: unknown[] = [];
  const list = async (_resource: unknown, _namespace: unknown, options: unknown) => {
    asked.push(options);
    return { items, metadata: {} };
  };
  const deps = { client: { list }, log: { warn: () => undefined }, clock: () => 0 };
  const problems = new EventProblems("pods", deps as unknown as EventDeps);
  expect(await problems.of("n", "p1")).toEqual({ reason: "FailedMount", message: 'secret "x" not found' });
  expect(asked).toMatchObject([{ fieldSelector: "involvedObject.kind=Pod,type=Warning" }]);
});
