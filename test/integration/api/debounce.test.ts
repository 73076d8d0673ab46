/**
 * Debounced triggers make one run: also concurrent ones, on several replicas, and repeated after a lost
 * answer.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { Phase, TaskRun } from "../../../operator/src/model/resources.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

interface Answer {
  id: string;
  isCached: boolean;
}

async function trigger(debounce: object, more: object = {}, request?: string): Promise<Answer> {
  const { payload, ...options } = more as { payload?: unknown };
  const response = await api.fetch("/api/v1/tasks/echo/trigger", {
    method: "POST",
    body: JSON.stringify({ payload, options: { debounce, ...options } }),
    ...(request ? { headers: { "x-trigger-request-idempotency-key": request } } : {}),
  });
  const answer = (await response.json()) as Answer;
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer;
}

const nameOf = ({ id }: Answer): string => id.replace(/^run_/, "");
async function runOf(answer: Answer): Promise<TaskRun> {
  const run = await api.client.get(TaskRuns, namespace, nameOf(answer));
  if (!run) throw new Error(`${answer.id} is not there`);
  return run;
}
/** As the controller would. */
const setPhase = (answer: Answer, phase: Phase) =>
  api.client.patch(
    TaskRuns,
    namespace,
    nameOf(answer),
    { status: { phase } },
    { type: "merge", subresource: "status" },
  );

describe("triggers with one key", () => {
  test("triggers with one debounce key make one run, whose start moves and whose payload stays the first one's", async () => {
    const first = await trigger({ key: "lead", delay: "60s" }, { payload: { n: 1 } });
    const before = await runOf(first);
    const second = await trigger({ key: "lead", delay: "90s" }, { payload: { n: 2 } });
    expect(second).toEqual({ id: first.id, isCached: true });
    const after = await runOf(first);
    expect(after.spec.payloadData).toBe('{"n":1}');
    const moved = Date.parse(after.spec.delayUntil ?? "") - Date.parse(before.spec.delayUntil ?? "");
    expect(moved).toBeGreaterThanOrEqual(30_000);
  });

  test("triggers in trailing mode leave the last one's payload and options", async () => {
    const debounce = { key: "trail", delay: "60s", mode: "trailing" };
    const options = { tags: ["a"], maxAttempts: 1, metadata: { first: { a: 1 }, same: null } };
    const first = await trigger(debounce, { payload: { n: 1 }, ...options });
    await setPhase(first, "Delayed");
    const long = { text: "x".repeat(10_000) };
    const more = { payload: long, tags: ["b"], machine: "micro", metadata: { m: 1 } };
    expect((await trigger(debounce, more)).id).toBe(first.id);
    const { spec } = await runOf(first);
    expect(spec).toMatchObject({ tags: ["b"], machine: "micro", maxAttempts: 1 });
    // Replaced, not merged.
    expect(spec.metadata).toEqual({ m: 1 });
    expect(spec.payloadData).toBeUndefined();
    const stored = await api.store.of(namespace).get(spec.payloadRef?.key ?? "", { maxBytes: 20_000 });
    expect(JSON.parse(new TextDecoder().decode(stored?.body))).toEqual(long);
    await trigger(debounce, { payload: "short", payloadType: "text/plain" });
    const last = (await runOf(first)).spec;
    expect([last.payloadData, last.payloadRef]).toEqual(["short", undefined]);
    // The replaced payload is deleted.
    expect(await api.store.of(namespace).head(spec.payloadRef?.key ?? "")).toBeUndefined();
  });

  test("a trigger makes another run when the previous one is no longer Delayed", async () => {
    const debounce = { key: "next", delay: "60s" };
    const first = await trigger(debounce);
    await setPhase(first, "Queued");
    const second = await trigger(debounce);
    expect(second.isCached).toBe(false);
    expect(second.id).not.toBe(first.id);
    expect(await trigger(debounce)).toEqual({ id: second.id, isCached: true });
    expect((await runOf(second)).spec.debounce?.generation).toBe(1);
  });

  test("a trigger makes another run when it would delay the start for too long", async () => {
    const first = await trigger({ key: "max", delay: "59s", maxDelay: "60s" });
    await waitFor(
      "a second run",
      async () => (await trigger({ key: "max", delay: "59s", maxDelay: "60s" })).id !== first.id,
      { timeoutMs: 10_000, intervalMs: 200 },
    );
    expect(Date.parse((await runOf(first)).spec.delayUntil ?? "")).toBeLessThanOrEqual(
      Date.parse((await runOf(first)).metadata.creationTimestamp ?? "") + 60_000,
    );
  });

  test("concurrent triggers make one run, which another replica finds", async () => {
    const debounce = { key: "at once", delay: "60s" };
    const answers = await Promise.all(Array.from({ length: 10 }, () => trigger(debounce)));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ isCached }) => !isCached)).toHaveLength(1);
    await api.kill();
    await api.listen();
    expect((await trigger(debounce)).id).toBe(answers[0]?.id);
  });

  test("triggers of other tasks and namespaces do not share a debounce key", async () => {
    const body = JSON.stringify({ options: { debounce: { key: "lead", delay: "60s" } } });
    const response = await api.fetch("/api/v1/tasks/other/trigger", { method: "POST", body });
    expect(await response.json()).toMatchObject({ isCached: false });
  });
});

test("a repeated trigger counts once, even when its run has started", async () => {
  const debounce = { key: "again", delay: "60s" };
  const first = await trigger(debounce, {}, "call-1");
  await trigger(debounce, {}, "call-2");
  await setPhase(first, "Executing");
  expect(await trigger(debounce, {}, "call-1")).toEqual({ id: first.id, isCached: true });
  expect((await trigger(debounce, {}, "call-3")).id).not.toBe(first.id);
});

test("an idempotency key that has a run wins over debounce", async () => {
  const held = await trigger({ key: "a", delay: "60s" }, { idempotencyKey: "mine" });
  await setPhase(held, "Completed");
  expect(await trigger({ key: "b", delay: "60s" }, { idempotencyKey: "mine" })).toEqual({
    id: held.id,
    isCached: true,
  });
  const other = await trigger({ key: "a", delay: "60s" }, { idempotencyKey: "yours" });
  expect(other.id).not.toBe(held.id);
  expect((await trigger({ key: "a", delay: "60s" })).id).toBe(other.id);
});

test.each([
  [{ key: "k", delay: "2030-01-01" }, 422, "options.debounce.delay"],
  [{ key: "k", delay: "0s" }, 422, "options.debounce.delay"],
  [{ key: "k", delay: "10s", maxDelay: "10s" }, 422, "options.debounce.maxDelay"],
  [{ key: "k".repeat(513), delay: "10s" }, 400, "options.debounce.key"],
  [{ delay: "10s" }, 400, "options.debounce.key"],
  [{ key: "k", delay: "10s", mode: "first" }, 400, "options.debounce.mode"],
])("the debounce option %j is refused with the field's name", async (debounce, status, field) => {
  const response = await api.fetch("/api/v1/tasks/echo/trigger", {
    method: "POST",
    body: JSON.stringify({ options: { debounce } }),
  });
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ error: expect.stringContaining(field) });
});
