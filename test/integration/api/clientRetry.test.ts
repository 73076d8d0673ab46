/**
 * The API dies while a client waits for it, and comes back: the client's own retry succeeds without
 * duplicates.
 */
import { configure, tasks } from "@fairlead/sdk";
import * as official from "@trigger.dev/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { TaskBatch } from "../../../operator/src/model/resources.ts";
import { readItems } from "../../../operator/src/storage/batchItems.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";
import { stagedChunks } from "../../support/stagedChunks.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
  configure({ baseURL: api.url, secretKey: key });
  official.configure({ baseURL: api.url, secretKey: key });
});
afterAll(() => api?.stop());

interface Client {
  trigger(id: string, payload: unknown): Promise<{ id: string }>;
  batchTrigger(id: string, items: { payload: unknown }[]): Promise<{ batchId: string }>;
}
const clients: [string, Client][] = [
  ["our SDK", tasks],
  ["the official SDK", official.tasks as unknown as Client],
];

const batches = async (): Promise<TaskBatch[]> => (await api.client.list(TaskBatches, namespace)).items;
const count = 400;

test.each(clients)("%s retries a batch whose stream was cut, without duplicates", async (_name, client) => {
  const before = new Set((await batches()).map(({ metadata }) => metadata.uid));
  const items = Array.from({ length: count }, (_, n) => ({ payload: { n, text: "x".repeat(2_000) } }));
  const triggered = client.batchTrigger("echo", items);
  triggered.catch(() => {});
  const fresh = await waitFor(
    "the batch is there, and some of its items",
    async () => {
      const found = (await batches()).find(({ metadata }) => !before.has(metadata.uid));
      return found && (await stagedChunks(api.store, found.metadata)).length > 0 ? found : undefined;
    },
    { timeoutMs: 20_000, intervalMs: 1 },
  );
  await api.kill();
  await api.listen();
  const { batchId } = await triggered;
  expect(batchId).toBe(`batch_${fresh.metadata.name}`);
  const now = await batches();
  expect(now.filter(({ metadata }) => !before.has(metadata.uid))).toHaveLength(1);
  const batch = now.find(({ metadata }) => metadata.uid === fresh.metadata.uid) ?? fresh;
  expect(batch.status?.sealedAt).toBeDefined();
  const indexes: number[] = [];
  for await (const { index, item } of readItems(api.store, batch)) {
    indexes.push(index);
    expect(item?.payloadData).toContain(`"n":${index},`);
  }
  expect(indexes).toEqual(Array.from({ length: count }, (_, index) => index));
});

test.each(clients)(
  "%s retries a trigger while the API is down, without duplicates",
  async (_name, client) => {
    const before = (await api.client.list(TaskRuns, namespace)).items.length;
    await api.kill();
    const triggered = client.trigger("echo", { n: 1 });
    await api.listen();
    expect((await triggered).id).toMatch(/^run_/);
    expect((await api.client.list(TaskRuns, namespace)).items).toHaveLength(before + 1);
  },
);
