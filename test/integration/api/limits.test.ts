/** Limits of a key's rate and of a request's body, and the id of a request. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { TaskBatches } from "../../../operator/src/model/kinds.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterAll(() => api?.stop());
beforeEach(() => api.kill());

const plenty = { perSecond: 0, burst: 1 };
const limited = { bodyBytes: 1000, rate: { perSecond: 0.001, burst: 2 } };

test("a key that exceeds its rate gets the time of the next try", async () => {
  await api.listen(limited);
  const first = await api.fetch("/api/v1/runs");
  expect(first.status).toBe(200);
  expect(first.headers.get("x-ratelimit-limit")).toBe("2");
  expect(first.headers.get("x-ratelimit-remaining")).toBe("1");
  await api.fetch("/api/v1/runs");
  const refused = await api.fetch("/api/v1/runs");
  expect(refused.status).toBe(429);
  expect(refused.headers.get("content-type")).toContain("application/problem+json");
  const reset = Number(refused.headers.get("x-ratelimit-reset"));
  expect(reset).toBeGreaterThan(Date.now());
  expect(await refused.json()).toMatchObject({
    error: expect.stringContaining("2 at once"),
    limit: 2,
    reset,
  });
  // Requests without a key, and the cluster's probes, are not counted.
  expect((await api.fetch("/api/v1/timezones")).status).toBe(200);
});

test("a body that is too large is refused with its size, the limit and what to do", async () => {
  await api.listen({ ...limited, rate: plenty });
  const body = JSON.stringify({ payload: "x".repeat(2000) });
  const response = await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body });
  expect(response.status).toBe(413);
  expect(await response.json()).toEqual({
    error: expect.stringMatching(/2014 bytes, at most 1000 are allowed. Upload/),
  });
});

async function newBatch(): Promise<string> {
  const body = JSON.stringify({ runCount: 2 });
  const made = await api.fetch("/api/v3/batches", { method: "POST", body });
  return ((await made.json()) as { id: string }).id;
}

const isSealed = async (id: string) =>
  (await api.client.get(TaskBatches, namespace, id.replace("batch_", "")))?.status?.sealedAt !== undefined;

/** A body of so many bytes, in lines or in one. */
const long = (bytes: number, end: string) =>
  `{"index":0,"task":"echo","payload":"${"x".repeat(100)}"}${end}`.repeat(bytes / 140);

test.each([
  ["lines", 8_000_000, "\n"],
  ["one line", 8_000_000, ""],
])("an item stream that is too long is refused while it is sent, in %s", async (_what, bytes, end) => {
  await api.listen({ ...limited, rate: plenty });
  const id = await newBatch();
  const headers = { "content-type": "application/x-ndjson" };
  const body = long(bytes, end);
  const response = await api.fetch(`/api/v3/batches/${id}/items`, { method: "POST", body, headers });
  expect(response.status).toBe(413);
  expect(await response.json()).toEqual({ error: expect.stringContaining("at most 1000 bytes") });
  expect(await isSealed(id)).toBe(false);
  // The connection can still be used.
  expect((await api.fetch("/api/v1/runs")).status).toBe(200);
});

test("a JSON body that is too long is refused while it is sent", async () => {
  await api.listen({ ...limited, rate: plenty });
  const body = JSON.stringify({ payload: "x".repeat(8_000_000) });
  const response = await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body });
  expect(response.status).toBe(413);
});

test("an item stream that stalls is cut off", async () => {
  await api.listen({ ...limited, rate: plenty });
  const id = await newBatch();
  let sent = 0;
  const endless = new ReadableStream({
    pull(stream) {
      sent += 1_000_000;
      if (sent > 500_000_000) stream.close();
      else stream.enqueue(new TextEncoder().encode("x".repeat(1_000_000)));
    },
  });
  const headers = { "content-type": "application/x-ndjson" };
  const send = api.fetch(`/api/v3/batches/${id}/items`, {
    method: "POST",
    body: endless,
    duplex: "half",
    headers,
  });
  // The answer must come before the connection is closed, or the client ignores it.
  await send.then(
    (response) => expect(response.status).toBe(413),
    (error: Error) => expect(error.message).toBe("fetch failed"),
  );
  expect(sent).toBeLessThan(500_000_000);
  expect(await isSealed(id)).toBe(false);
});

test("a request keeps its id, or is given one", async () => {
  await api.listen();
  const mine = await api.fetch("/api/v1/runs", { headers: { "x-request-id": "mine-1" } });
  expect(mine.headers.get("x-request-id")).toBe("mine-1");
  expect((await api.fetch("/nothing")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
});
