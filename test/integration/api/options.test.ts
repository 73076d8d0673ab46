/** What a request asks for counts, or is refused: headers, queues, keys, streams of what is deleted. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskQueues, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { apiVersion } from "../../../operator/src/model/resources.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await api.fetch(path, { method: "POST", body: JSON.stringify(body), headers });
  const answer = (await response.json()) as {
    id: string;
    isCached?: boolean;
    error?: string;
    paused?: boolean;
  };
  return { status: response.status, retry: response.headers.get("x-should-retry"), answer };
}

describe("the header idempotency-key of a trigger", () => {
  const path = "/api/v1/tasks/echo/trigger";

  test("a second trigger with the key finds the first one's run", async () => {
    const headers = { "idempotency-key": "order-7", "idempotency-key-ttl": "1h" };
    const first = await post(path, { payload: 1 }, headers);
    const second = await post(path, { payload: 1 }, headers);
    expect(second.answer).toEqual({ id: first.answer.id, isCached: true });
    const run = await api.client.get(TaskRuns, namespace, first.answer.id.replace("run_", ""));
    expect(run?.spec).toMatchObject({ idempotencyKey: "order-7", idempotencyKeyTTLSeconds: 3600 });
  });

  test("a lifetime that is none is refused", async () => {
    const answer = await post(path, {}, { "idempotency-key": "order-8", "idempotency-key-ttl": "60" });
    expect(answer).toMatchObject({ status: 422, answer: { error: expect.stringContaining('"60"') } });
  });
});

describe("a queue that nothing names", () => {
  test.each([
    ["pause", { type: "custom", action: "pause" }],
    ["concurrency/override", { type: "custom", concurrencyLimit: 1 }],
    ["concurrency/reset", { type: "custom" }],
  ])("%s is answered with 404 and the name that may be meant, and makes no TaskQueue", async (call, body) => {
    await api.client
      .create(TaskQueues, namespace, {
        apiVersion,
        kind: "TaskQueue",
        metadata: { name: "emails", namespace },
        spec: {},
      })
      .catch(() => undefined);
    const { status, retry, answer } = await post(`/api/v1/queues/emals/${call}`, body);
    expect({ status, retry }).toEqual({ status: 404, retry: "false" });
    expect(answer.error).toBe("There is no queue emals: it may be emails.");
    const names = (await api.client.list(TaskQueues, namespace)).items.map(({ metadata }) => metadata.name);
    expect(names).toEqual(["emails"]);
  });

  test("one that a run names can be paused, also before it has a TaskQueue", async () => {
    await post("/api/v1/tasks/echo/trigger", { options: { queue: "sms", delay: "1h" } });
    const paused = await waitFor("the replica has seen the run", async () => {
      const { status, answer } = await post("/api/v1/queues/sms/pause", { type: "custom", action: "pause" });
      return status === 200 && answer;
    });
    expect(paused).toMatchObject({ name: "sms", paused: true });
  });
});

test("a key of a namespace that does not exist is refused as such, without a retry", async () => {
  const nowhere = "tr_prod_nowhere0123456789abcdefghijklmnop";
  await api.setKey("no-such-ns.test", { key: nowhere });
  const headers = { authorization: `Bearer ${nowhere}` };
  const refused = await waitFor("the key is known", async () => {
    const answer = await post("/api/v1/tasks/echo/trigger", { payload: 1 }, headers);
    return answer.status !== 401 && answer;
  });
  expect(refused).toMatchObject({ status: 403, retry: "false" });
  expect(refused.answer.error).toMatch(/namespace no-such-ns, which does not exist/);
});

test("the stream of a run that is deleted by hand ends", async () => {
  const { id } = (await post("/api/v1/tasks/echo/trigger", { payload: 1 })).answer;
  const response = await api.fetch(`/realtime/fairlead/v1/runs/${id}`);
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain(id);
  await api.client.delete(TaskRuns, namespace, id.replace("run_", ""));
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read());
  expect((await api.fetch(`/realtime/fairlead/v1/runs/${id}`)).status).toBe(404);
});
