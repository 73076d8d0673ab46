/**
 * Streams of a run's states whose client leaves: the API closes all of them, so that others can be opened.
 */
import { setTimeout as pause } from "node:timers/promises";
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { ApiReplica } from "../../support/servers/apiReplica.ts";

/** More than a namespace may have open at once. */
const count = 600;

let api: ApiReplica;
let path: string;
beforeAll(async () => {
  api = await ApiReplica.start();
  const made = await api.fetch("/api/v1/tasks/echo/trigger", { method: "POST", body: "{}" });
  const { id } = (await made.json()) as { id: string };
  path = `/realtime/fairlead/v1/runs/${id}`;
});
afterAll(() => api?.stop());

/** Opens a stream and leaves, after `afterMs` or once the answer has begun. Returns the answer's status. */
async function visit(afterMs?: number): Promise<number | "left"> {
  const leaving = new AbortController();
  const answer = api.fetch(path, { signal: leaving.signal }).then(
    ({ status }) => status,
    () => "left" as const,
  );
  if (afterMs !== undefined) await pause(afterMs);
  else await answer;
  leaving.abort();
  return answer;
}

test("600 streams whose client leaves after the answer began are all closed", async () => {
  const statuses = new Set<number | "left">();
  await pLimit(20).map(Array(count).keys(), async () => statuses.add(await visit()));
  expect([...statuses]).toEqual([200]);
});

test("600 streams whose client leaves before the answer are all closed", async () => {
  const statuses = new Set<number | "left">();
  await pLimit(20).map(Array(count).keys(), async (n) => statuses.add(await visit(n % 12)));
  expect(statuses).toContain("left");
  expect(statuses).not.toContain(429);
  await waitFor("another stream can be opened", async () => (await visit()) === 200, { timeoutMs: 5_000 });
});

test("the 501st open stream of a namespace is refused with the limit", async () => {
  const leaving = new AbortController();
  const { signal } = leaving;
  const answers = await Promise.all(Array.from({ length: 501 }, () => api.fetch(path, { signal })));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.map(({ status }) => status)).toEqual([429]);
  expect(await refused[0]?.json()).toEqual({ error: "Too many open streams, 500: retry later" });
  leaving.abort();
  await waitFor("another stream can be opened again", async () => (await visit()) === 200, {
    timeoutMs: 5_000,
  });
});
