/** No duplicates and no losses: repeated requests, replicas that die, keys that several callers use. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { TaskRun } from "../../../operator/src/model/resources.ts";
import { readItems } from "../../../operator/src/storage/batchItems.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";
import { stagedChunks } from "../../support/stagedChunks.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

async function post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const response = await api.fetch(path, { method: "POST", body: JSON.stringify(body), headers });
  const answer = (await response.json()) as T;
  expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
  return answer;
}

const trigger = (body: unknown, headers?: Record<string, string>) =>
  post<{ id: string; isCached: boolean }>("/api/v1/tasks/echo/trigger", body, headers);
const nameOf = (id: string): string => id.replace(/^run_/, "");
const runOf = async (id: string): Promise<TaskRun> => {
  const run = await api.client.get(TaskRuns, namespace, nameOf(id));
  if (!run) throw new Error(`${id} is not there`);
  return run;
};

describe("a trigger", () => {
  test("a repeated trigger makes one run, also on another replica", async () => {
    const headers = { "x-trigger-request-idempotency-key": "call-1" };
    const first = await trigger({ payload: { n: 1 } }, headers);
    await api.kill();
    await api.listen();
    expect(await trigger({ payload: { n: 1 } }, headers)).toEqual(first);
  });

  test("a triggered run can be read at once, with its payload exact to the byte", async () => {
    const text = '{"json":{"a":1},  "meta":{}}';
    const { id } = await trigger({ payload: text, options: { payloadType: "application/super+json" } });
    expect((await runOf(id)).spec).toMatchObject({
      payloadData: text,
      payloadType: "application/super+json",
    });
    const response = await api.fetch(`/api/v3/runs/${id}`, {
      headers: { "x-trigger-api-version": "2025-07-16" },
    });
    expect(await response.json()).toMatchObject({ id, status: "QUEUED", payload: { a: 1 } });
  });

  test("a payload above 8 KiB is in the bucket before the run exists", async () => {
    const { id } = await trigger({ payload: { text: "x".repeat(10_000) } });
    const { payloadRef } = (await runOf(id)).spec;
    const stored = await api.store.of(namespace).get(payloadRef?.key ?? "", { maxBytes: 20_000 });
    expect(JSON.parse(new TextDecoder().decode(stored?.body))).toEqual({ text: "x".repeat(10_000) });
  });

  test("concurrent triggers with one idempotency key make one run", async () => {
    const options = { idempotencyKey: "k".repeat(64) };
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => trigger({ payload: { n }, options })),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ isCached }) => !isCached)).toHaveLength(1);
  });

  test("a second trigger with the same key does not change the first one's payload", async () => {
    const options = { idempotencyKey: "payload-key" };
    const first = await trigger({ payload: "A".repeat(9_000), options });
    expect(await trigger({ payload: "B".repeat(9_000), options })).toMatchObject({
      id: first.id,
      isCached: true,
    });
    const { payloadRef } = (await runOf(first.id)).spec;
    const stored = await api.store.of(namespace).get(payloadRef?.key ?? "", { maxBytes: 20_000 });
    expect(JSON.parse(new TextDecoder().decode(stored?.body))).toBe("A".repeat(9_000));
    // And leaves no object behind.
    const prefix = `ns/${namespace}/payloads/${nameOf(first.id)}.`;
    expect((await api.store.of(namespace).list(prefix, { limit: 10 })).objects.map(({ key }) => key)).toEqual(
      [payloadRef?.key],
    );
  });

  test("a trigger of another task with the same request id makes a run of its own", async () => {
    const headers = { "x-trigger-request-idempotency-key": "call-of-two" };
    const first = await trigger({}, headers);
    const other = await post<{ id: string }>("/api/v1/tasks/mail/trigger", {}, headers);
    expect(other.id).not.toBe(first.id);
  });

  test("tags that are added concurrently are all kept, up to 10", async () => {
    const { id } = await trigger({ options: { tags: ["a"] } });
    const add = async (tags: string[]): Promise<number> => {
      const response = await api.fetch(`/api/v1/runs/${id}/tags`, {
        method: "POST",
        body: JSON.stringify({ tags }),
      });
      return response.status === 409 ? add(tags) : response.status;
    };
    expect(await Promise.all(["b", "c", "d", "e"].map((tag) => add([tag])))).toEqual([200, 200, 200, 200]);
    expect((await runOf(id)).spec.tags?.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
    expect(await add(["f", "g", "h", "i", "j", "k"])).toBe(422);
  });

  test("a replay has the options of its original, in the requested version", async () => {
    const options = { metadata: { m: 1 }, maxDuration: 60, priority: 3, tags: ["a"] };
    const { id } = await trigger({ payload: { n: 1 }, options });
    const again = await post<{ id: string }>(`/api/v1/runs/${id}/replay`, { version: "abc" });
    expect((await runOf(again.id)).spec).toMatchObject({
      payloadData: '{"n":1}',
      metadata: { m: 1 },
      maxDurationSeconds: 60,
      priority: 3,
      tags: ["a"],
      version: "abc",
    });
  });

  test.each(["9000000000000s", "100000000w", "500000w"])(
    "a run is not delayed or rescheduled by %s",
    async (delay) => {
      const refused = await api.fetch("/api/v1/tasks/echo/trigger", {
        method: "POST",
        body: JSON.stringify({ options: { delay } }),
      });
      expect(refused.status).toBe(422);
      const { id } = await trigger({ options: { delay: "1h" } });
      const path = `/api/v1/runs/${id}/reschedule`;
      const moved = await api.fetch(path, { method: "POST", body: JSON.stringify({ delay }) });
      expect(moved.status).toBe(400);
    },
  );

  test("metadata operations change a run's metadata, and none is lost", async () => {
    const { id } = await trigger({ options: { metadata: { n: 0 } } });
    const path = `/api/v1/runs/${id}/metadata`;
    const add = async (): Promise<void> => {
      const operations = [{ type: "increment", key: "n", value: 1 }];
      const response = await api.fetch(path, { method: "PUT", body: JSON.stringify({ operations }) });
      if (response.status === 409) return add();
      expect(response.status).toBe(200);
    };
    await Promise.all(Array.from({ length: 8 }, add));
    expect(await (await api.fetch(path)).json()).toEqual({ metadata: { n: 8 } });
  });

  test("metadata operations of a run without a parent apply to itself as parent and root", async () => {
    const { id } = await trigger({ options: { metadata: { n: 0 } } });
    const add = [{ type: "increment", key: "n", value: 1 }];
    const response = await api.fetch(`/api/v1/runs/${id}/metadata`, {
      method: "PUT",
      body: JSON.stringify({ operations: add, parentOperations: add, rootOperations: add }),
    });
    expect(await response.json()).toEqual({ metadata: { n: 3 } });
  });

  test("a trigger with invalid options creates nothing", async () => {
    const before = (await api.client.list(TaskRuns, namespace)).items.length;
    for (const options of [
      { ttl: "2030-01-01" },
      {
        tags: Array(11)
          .fill(0)
          .map(String)
          .map((t, i) => t + i),
      },
      { delay: "soon" },
    ]) {
      const response = await api.fetch("/api/v1/tasks/echo/trigger", {
        method: "POST",
        body: JSON.stringify({ options }),
      });
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(((await response.json()) as { error: string }).error).toContain(Object.keys(options)[0]);
    }
    expect((await api.client.list(TaskRuns, namespace)).items).toHaveLength(before);
  });
});

test("a public token with an invalid lifetime is refused with the field's name", async () => {
  const ask = async (expirationTime: unknown): Promise<Response> =>
    api.fetch("/api/v1/auth/public-tokens", { method: "POST", body: JSON.stringify({ expirationTime }) });
  for (const lifetime of ["soon", "", -1, 0.5, 60]) {
    const response = await ask(lifetime);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toContain("expirationTime");
  }
  const tomorrow = Math.floor(Date.now() / 1000) + 86_400;
  for (const lifetime of ["15m", "1h", tomorrow]) expect((await ask(lifetime)).status).toBe(200);
});

describe("a batch in two phases", () => {
  const count = 120;
  const lines = Array.from(
    { length: count },
    (_, index) => `${JSON.stringify({ index, task: "echo", payload: { index } })}\n`,
  );
  const ndjson = { "content-type": "application/x-ndjson" };

  test("a batch survives the API's death between its phases and in mid-stream, and repeated items count once", async () => {
    const headers = { "x-trigger-request-idempotency-key": "batch-call-1" };
    const { id } = await post<{ id: string }>("/api/v3/batches", { runCount: count }, headers);
    await api.kill();
    await api.listen();
    expect(await post("/api/v3/batches", { runCount: count }, headers)).toMatchObject({ id });
    const name = id.replace(/^batch_/, "");
    const batch = await api.client.get(TaskBatches, namespace, name);
    if (!batch) throw new Error("no batch");

    // The connection is cut after 70 items.
    const half = new ReadableStream({
      async start(stream) {
        stream.enqueue(new TextEncoder().encode(lines.slice(0, 70).join("")));
        for (
          let tries = 0;
          tries < 100 && (await stagedChunks(api.store, batch.metadata)).length === 0;
          tries++
        )
          await pause(50);
        await api.kill();
      },
    });
    const path = `/api/v3/batches/${id}/items`;
    await expect(
      api.fetch(path, { method: "POST", body: half, duplex: "half", headers: ndjson }),
    ).rejects.toThrow();
    expect(await stagedChunks(api.store, batch.metadata)).toEqual([0]);
    expect((await api.client.get(TaskBatches, namespace, name))?.status?.sealedAt).toBeUndefined();

    await api.listen();
    const send = async () =>
      (
        await api.fetch(path, { method: "POST", body: lines.join(""), headers: ndjson })
      ).json() as Promise<object>;
    expect(await send()).toMatchObject({ sealed: true, itemsAccepted: 70, itemsDeduplicated: 50 });
    expect(await send()).toMatchObject({ sealed: true, itemsAccepted: 0, itemsDeduplicated: count });
    expect((await api.client.get(TaskBatches, namespace, name))?.status?.sealedAt).toBeDefined();
    const items: number[] = [];
    for await (const { index } of readItems(api.store, batch)) items.push(index);
    expect(items).toEqual(Array.from({ length: count }, (_, index) => index));
  });

  test("a batch with a key counts only once it has its items; until then any caller with the key may send them", async () => {
    const create = () =>
      post<{ id: string; isCached: boolean }>("/api/v3/batches", {
        runCount: 1,
        idempotencyKey: "batch-key",
      });
    const first = await create();
    expect(first.isCached).toBe(false);
    expect(await create()).toMatchObject({ id: first.id, isCached: false });
    await api.fetch(`/api/v3/batches/${first.id}/items`, { method: "POST", body: lines[0], headers: ndjson });
    expect(await create()).toMatchObject({ id: first.id, isCached: true });
  });

  test("a batch that is too large is refused with what to do instead", async () => {
    const response = await api.fetch("/api/v3/batches", {
      method: "POST",
      body: JSON.stringify({ runCount: 1001 }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: expect.stringMatching(/runCount.*at most 1000 items: make several/),
    });
  });
});
