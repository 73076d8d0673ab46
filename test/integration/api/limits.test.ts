/** What one key and one request may be: rate, body, and the id that names a request in answers. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { TaskBatches } from "../../../operator/src/kube/resources.ts";
import { ApiProcess, namespace } from "./apiProcess.ts";

let api: ApiProcess;
beforeAll(async () => {
  api = await ApiProcess.start();
});
afterAll(() => api?.stop());
beforeEach(() => api.kill());

const plenty = { perSecond: 0, burst: 1 };
const limited = { bodyBytes: 1000, rate: { perSecond: 0.001, burst: 2 } };

test("a key that asks too often is told when it may again", async () => {
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
  // What needs no key, and the cluster's own probes, are not counted.
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

test("a stream of items that does not end is cut off, with or without lines", async () => {
  await api.listen({ ...limited, rate: plenty });
  for (const end of ["\n", ""]) {
    const body = JSON.stringify({ runCount: 2 });
    const made = (await (await api.fetch("/api/v3/batches", { method: "POST", body })).json()) as {
      id: string;
    };
    let sent = 0;
    const endless = new ReadableStream({
      pull(stream) {
        const line = `{"index":0,"task":"echo","payload":"${"x".repeat(100)}"}${end}`;
        sent += line.length;
        if (sent > 50_000_000) stream.close();
        else stream.enqueue(new TextEncoder().encode(line));
      },
    });
    const send = api.fetch(`/api/v3/batches/${made.id}/items`, {
      method: "POST",
      body: endless,
      duplex: "half",
      headers: { "content-type": "application/x-ndjson" },
    });
    // The answer may come before or after the connection is closed.
    await send.then(
      (response) => expect(response.status).toBe(413),
      (error: Error) => expect(error.message).toBe("fetch failed"),
    );
    expect(sent).toBeLessThan(50_000_000);
    const batch = await api.client.get(TaskBatches, namespace, made.id.replace("batch_", ""));
    expect(batch?.status?.sealedAt).toBeUndefined();
  }
});

test("a request keeps its id, and gets one when it has none", async () => {
  await api.listen();
  const mine = await api.fetch("/api/v1/runs", { headers: { "x-request-id": "mine-1" } });
  expect(mine.headers.get("x-request-id")).toBe("mine-1");
  expect((await api.fetch("/nothing")).headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
});
