/** What a task waits for: the calls that it sends, and the values that a host, played by the test, gives. */
import { afterEach, beforeEach, expect, expectTypeOf, it } from "vitest";
import { ScriptedServer } from "../../../test/support/servers/scriptedServer.ts";
import { batch, configure, SubtaskUnwrapError, task, tasks, WaitpointTimeoutError, wait } from "../index.ts";
import { slotsKey } from "../slots.ts";

const shared = globalThis as { [slotsKey]?: Record<string, unknown> };
let api: ScriptedServer;
let waited: object[];
let results: Record<string, object>;
beforeEach(async () => {
  api = await ScriptedServer.start();
  api.answers = [{ body: { id: "run_a", isCached: false } }];
  configure({ baseURL: api.origin, secretKey: "tr_dev_x" });
  waited = [];
  results = {};
  const host = (what: object & { id?: string; waitpointFriendlyId?: string }) => {
    waited.push(what);
    return Promise.resolve(results[what.id ?? what.waitpointFriendlyId ?? ""]);
  };
  shared[slotsKey] = {
    "task-context": { ctx: { run: { id: "run_parent" }, attempt: { number: 1 } } },
    runtime: { waitForTask: host, waitForBatch: host, waitForWaitpoint: host },
  };
});
afterEach(() => {
  shared[slotsKey] = undefined;
  api.stop();
});

const hello = task({ id: "hello", run: async (payload: { n: number }) => ({ twice: payload.n * 2 }) });
const sent = (index = 0) => JSON.parse(api.requests[index]?.body ?? "");

it("triggerAndWait sends its parent, and gives the output, or the error without throwing", async () => {
  results.run_a = { ok: true, id: "run_a", output: '{"twice":4}', outputType: "application/json" };
  const done = await hello.triggerAndWait({ n: 2 });
  expect(done).toEqual({ ok: true, id: "run_a", taskIdentifier: "hello", output: { twice: 4 } });
  expect(sent().options).toMatchObject({ parentRunId: "run_parent", resumeParentOnCompletion: true });
  const output = await hello.triggerAndWait({ n: 2 }).unwrap();
  expectTypeOf(output).toEqualTypeOf<{ twice: number }>();
  results.run_a = { ok: false, id: "run_a", error: { name: "TypeError", message: "no" } };
  expect(await hello.triggerAndWait({ n: 2 })).toMatchObject({
    ok: false,
    error: { name: "TypeError", message: "no" },
  });
  const error = await hello
    .triggerAndWait({ n: 2 })
    .unwrap()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(SubtaskUnwrapError);
  expect(error).toMatchObject({
    taskId: "hello",
    runId: "run_a",
    message: "Error in hello: no",
    cause: { message: "no" },
  });
});

it("values that JSON does not have come back, and text stays text", async () => {
  const at = { json: { at: "1970-01-01T00:00:00.000Z" }, meta: { values: { at: ["Date"] } } };
  results.run_a = { ok: true, id: "run_a", output: JSON.stringify(at), outputType: "application/super+json" };
  expect(await tasks.triggerAndWait("t", {}).unwrap()).toEqual({ at: new Date(0) });
  results.run_a = { ok: true, id: "run_a", output: "plain", outputType: "text/plain" };
  expect(await tasks.triggerAndWait("t", {}).unwrap()).toBe("plain");
});

it("a batch is waited for as a whole, by id and by task; an empty one is no wait", async () => {
  api.answers = [{ body: { id: "batch_b", isCached: false } }, { body: { sealed: true } }];
  const item = (n: number, id: string) => ({
    ok: true,
    id,
    output: `{"twice":${n}}`,
    outputType: "application/json",
  });
  results.batch_b = {
    id: "batch_b",
    items: [item(2, "run_1"), { ok: false, id: "run_2", error: { message: "no" } }],
  };
  const { id, runs } = await hello.batchTriggerAndWait([{ payload: { n: 1 } }, { payload: { n: 2 } }]);
  expect([id, runs.map(({ ok, taskIdentifier }) => [ok, taskIdentifier])]).toEqual([
    "batch_b",
    [
      [true, "hello"],
      [false, "hello"],
    ],
  ]);
  expect(sent()).toMatchObject({ runCount: 2, parentRunId: "run_parent", resumeParentOnCompletion: true });
  expect(waited).toEqual([{ id: "batch_b", runCount: 2 }]);
  expect(await batch.triggerAndWait([])).toEqual({ id: "", runs: [] });
  api.answers = [{ body: { id: "batch_b", isCached: true } }];
  expect((await batch.triggerByTaskAndWait([{ task: hello, payload: { n: 1 } }])).runs).toHaveLength(2);
});

it("a short wait stays in the process; a long one, or one with a key, is the host's", async () => {
  await wait.for({ seconds: 0.01 });
  await wait.until({ date: new Date(0) });
  expect([api.requests.length, waited.length]).toEqual([0, 0]);
  api.answers = [{ body: { waitUntil: "2030-01-01T00:00:00.000Z", waitpoint: { id: "waitpoint_T9" } } }];
  await wait.for({ months: 1 });
  expect(api.requests[0]?.url).toBe("/engine/v1/runs/run_parent/wait/duration");
  expect(Date.parse(sent().date) - Date.now()).toBeCloseTo(30 * 86_400_000, -4);
  await wait.for({ seconds: 1, idempotencyKey: "k" });
  expect(sent(1).idempotencyKey).toBe("k");
  expect(waited).toHaveLength(2);
  await expect(wait.until({ date: new Date(0), throwIfInThePast: true })).rejects.toThrow("past");
  for (const wrong of [{}, { seconds: 1, hours: 1 }, { seconds: Number.NaN }, { fortnights: 1 }])
    await expect(wait.for(wrong)).rejects.toThrow(/options|fortnights/);
});

it("a token gives its output, or a timeout that unwrap throws", async () => {
  api.answers = [{ body: { success: true } }];
  results.waitpoint_x = { ok: true, output: '{"yes":true}', outputType: "application/json" };
  expect(await wait.forToken<{ yes: boolean }>({ id: "waitpoint_x" })).toEqual({
    ok: true,
    output: { yes: true },
  });
  expect(api.requests[0]?.url).toBe("/engine/v1/runs/run_parent/waitpoints/tokens/waitpoint_x/wait");
  results.waitpoint_x = { ok: false, output: '{"message":"late"}', outputType: "application/json" };
  await expect(wait.forToken("waitpoint_x").unwrap()).rejects.toThrow(WaitpointTimeoutError);
});

it("outside of a run waiting says so, and nothing is triggered", async () => {
  shared[slotsKey] = undefined;
  for (const work of [
    () => hello.triggerAndWait({ n: 1 }),
    () => batch.triggerAndWait([]),
    () => wait.for({ days: 1 }),
    () => wait.forToken("waitpoint_x"),
  ])
    await expect(work()).rejects.toThrow("inside a task");
  expect(api.requests).toEqual([]);
});
