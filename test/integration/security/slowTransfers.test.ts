/**
 * Downloads that last longer than any request to the bucket may: one that goes on is whole, one that stalls
 * ends.
 */
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { ApiReplica, namespace } from "../../support/servers/apiReplica.ts";

const storeTimeoutMs = 250;
const size = 24_000_000;
const limits = {
  bodyBytes: 1_000_000,
  rate: { perSecond: 0, burst: 1 },
  download: { bytesPerSecond: 20_000, windowMs: 500 },
};

let api: ApiReplica;
beforeAll(async () => {
  api = await ApiReplica.start({ storeTimeoutMs });
  await api.kill();
  await api.listen(limits);
  const type = "application/octet-stream";
  await api.store
    .of(namespace)
    .put(`ns/${namespace}/packets/long`, new Uint8Array(size), { type, timeoutMs: 10_000 });
});
afterAll(() => api?.stop());

let url: string;
beforeEach(async () => {
  const answer = await api.fetch("/api/v1/packets/long");
  url = ((await answer.json()) as { presignedUrl: string }).presignedUrl;
});

async function download(): Promise<IncomingMessage> {
  const [answer] = (await once(get(url, { agent: false }), "response")) as [IncomingMessage];
  return answer;
}

/** How many bytes came until the connection ended. */
async function bytesOf(answer: IncomingMessage, afterEach: () => Promise<unknown>): Promise<number> {
  let bytes = 0;
  try {
    for await (const part of answer) {
      bytes += (part as Uint8Array).length;
      await afterEach();
    }
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("ECONNRESET");
  }
  return bytes;
}

test("a download that is slow and goes on is whole", async () => {
  const began = performance.now();
  expect(await bytesOf(await download(), () => pause(5))).toBe(size);
  expect(performance.now() - began).toBeGreaterThan(3 * storeTimeoutMs);
});

test("downloads that stall end, and their places are free again", async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, download));
  const stalled = answers.filter(({ statusCode }) => statusCode === 200);
  expect(stalled.length).toBeLessThan(answers.length);
  for (const { statusCode } of answers) expect([200, 429]).toContain(statusCode);
  await waitFor("all places are free", async () => {
    const again = await Promise.all(stalled.map(() => fetch(url)));
    await Promise.all(again.map(({ body }) => body?.cancel()));
    return again.every(({ status }) => status === 200);
  });
  for (const answer of stalled) expect(await bytesOf(answer, async () => {})).toBeLessThan(size);
});
