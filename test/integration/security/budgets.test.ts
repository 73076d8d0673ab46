/** Budgets of what a namespace stores: what is above is refused before anything is written. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { objectsBelow } from "../../../operator/src/storage/listing.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

const limits = { bodyBytes: 24 * 1024 * 1024, rate: { perSecond: 0, burst: 1 }, unfinishedRuns: 3 };

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  await api.kill();
  await api.listen(limits);
});
afterAll(() => api?.stop());

const trigger = (body: object) =>
  api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body: JSON.stringify(body) });
const batch = (runCount: number) =>
  api.fetch("/api/v3/batches", { method: "POST", body: JSON.stringify({ runCount }) });

async function stored(): Promise<unknown> {
  const keys: string[] = [];
  for await (const { key } of objectsBelow(api.bucket, "")) keys.push(key);
  const runs = await api.client.list(TaskRuns, namespace);
  const batches = await api.client.list(TaskBatches, namespace);
  return [keys, runs.items.length, batches.items.length];
}

test("a namespace at its limit of unfinished runs is refused more, and nothing of them is written", async () => {
  expect((await trigger({ options: { idempotencyKey: "one" } })).status).toBe(200);
  for (let n = 0; n < 2; n++) expect((await trigger({ payload: n })).status).toBe(200);
  const large = { payload: "x".repeat(100_000) };
  await waitFor("the replica has seen them", async () => (await batch(1)).status === 429);
  const before = await stored();
  for (const answer of [await trigger(large), await trigger({ payload: 1 }), await batch(2)]) {
    expect(answer.status).toBe(429);
    expect(await answer.text()).toContain("limits.unfinishedRuns");
  }
  expect(await stored()).toEqual(before);
  // What is there is found.
  const again = await trigger({ options: { idempotencyKey: "one" } });
  expect([again.status, ((await again.json()) as { isCached: boolean }).isCached]).toEqual([200, true]);
});

test("a run that ends makes room", async () => {
  const [run] = (await api.client.list(TaskRuns, namespace)).items;
  const { name = "" } = run?.metadata ?? {};
  const end = { status: { phase: "Completed", finishedAt: new Date().toISOString() } };
  await api.client.patch(TaskRuns, namespace, name, end, { type: "merge", subresource: "status" });
  await waitFor("there is room", async () => (await trigger({ payload: 2 })).status === 200);
});
