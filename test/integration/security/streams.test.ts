/** Event streams of a run: what many of them cost, what those that nobody reads cost, and when they end. */
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { publicToken } from "../../../operator/src/api/auth/auth.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import { ApiProcess, other } from "../../support/servers/apiProcess.ts";
import { ApiReplica, key, namespace } from "../../support/servers/apiReplica.ts";

const heapMiB = 562;
let api: ApiReplica;
const answers: IncomingMessage[] = [];
beforeAll(async () => {
  api = await ApiReplica.start();
});
afterEach(() => {
  for (const answer of answers.splice(0)) answer.destroy();
  vi.restoreAllMocks();
});
afterAll(() => api?.stop());

const withKey = (token: string) => ({ authorization: `Bearer ${token}`, "content-type": "application/json" });

async function trigger(url: string, token: string, payload: unknown): Promise<string> {
  const init = { method: "POST", headers: withKey(token), body: JSON.stringify({ payload }) };
  const answer = await fetch(`${url}/api/v1/tasks/echo/trigger`, init);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { id: string }).id;
}

async function open(url: string, id: string, token: string): Promise<IncomingMessage> {
  const options = { agent: false, headers: withKey(token) };
  const asked = get(`${url}/realtime/fairlead/v1/runs/${id}`, options);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answers.push(answer);
  return answer;
}

/** What a stream has told so far. */
function told(answer: IncomingMessage): { text: string; ended: boolean } {
  const seen = { text: "", ended: false };
  answer.setEncoding("utf8").on("data", (part: string) => {
    seen.text += part;
  });
  answer.on("end", () => {
    seen.ended = true;
  });
  return seen;
}

const tag = (id: string, value: string) =>
  api.client.patch(
    TaskRuns,
    namespace,
    id.replace("run_", ""),
    { spec: { tags: [value] } },
    { type: "merge" },
  );

test("a change is looked up once for all streams that tell it, and all tell it", async () => {
  const payload = "x".repeat(100_000);
  const id = await trigger(api.url, key, payload);
  const first = told(await open(api.url, id, key));
  await waitFor("the first state", async () => first.text.includes(id));
  const lookups = vi.spyOn(api.own, "get");
  const reads = vi.spyOn(api.bucket, "get");
  const heads = vi.spyOn(api.bucket, "head");
  const streams = (await Promise.all(Array.from({ length: 50 }, () => open(api.url, id, key)))).map(told);
  await waitFor("all tell the state", async () => streams.every(({ text }) => text.includes(id)));
  await tag(id, "changed");
  await waitFor("all tell the change", async () => streams.every(({ text }) => text.includes("changed")));
  const runs = lookups.mock.calls.filter(([resource]) => resource === TaskRuns);
  expect(runs.length).toBe(1);
  expect(reads.mock.calls.length + heads.mock.calls.length).toBe(0);
  // What is too long for a state is where its URL says, at the address that this client used.
  const url = /"payloadPresignedUrl":"([^"]+)"/.exec(first.text)?.[1] ?? "";
  expect(url.startsWith(`${api.url}/objects/`)).toBe(true);
  expect(await (await fetch(url)).text()).toBe(JSON.stringify(payload));
});

test("a stream ends with the token that opened it", async () => {
  const id = await trigger(api.url, key, 1);
  const expires = Math.floor(Date.now() / 1000) + 2;
  const token = await publicToken({ key, namespace }, [`read:runs:${id}`], { expires });
  const [short, long] = [told(await open(api.url, id, token)), told(await open(api.url, id, key))];
  await waitFor("it has ended", async () => short.ended, { timeoutMs: 10_000 });
  expect(Date.now()).toBeGreaterThanOrEqual(expires * 1000);
  expect(short.text).toContain(id);
  expect(long.ended).toBe(false);
});

test("streams end with their key", async () => {
  const name = `${namespace}.revoked`;
  const revoked = "tr_prod_revoked_0123456789abcdefghijklmnopqrstuvwxyz";
  await api.setKey(name, { key: revoked });
  const id = await trigger(api.url, key, 1);
  const token = await publicToken({ key: revoked, namespace }, [`read:runs:${id}`]);
  await waitFor("the key counts", async () => (await open(api.url, id, revoked)).statusCode === 200);
  const streams = [told(await open(api.url, id, token)), told(await open(api.url, id, revoked))];
  const stays = told(await open(api.url, id, key));
  await api.removeKey(name);
  await waitFor("both have ended", async () => streams.every(({ ended }) => ended), { timeoutMs: 10_000 });
  expect(stays.ended).toBe(false);
});

test("a public token has places of its own, fewer than its namespace", async () => {
  const id = await trigger(api.url, key, 1);
  const [one, another] = await Promise.all(
    ["1h", "2h"].map((expires) => publicToken({ key, namespace }, ["read:runs"], { expires })),
  );
  const all = await Promise.all(Array.from({ length: 101 }, () => open(api.url, id, one as string)));
  expect(all.filter(({ statusCode }) => statusCode === 200).length).toBe(100);
  expect(all.filter(({ statusCode }) => statusCode === 429).length).toBe(1);
  expect((await open(api.url, id, another as string)).statusCode).toBe(200);
});

test("450 streams that nobody reads leave the replica alive, and another namespace as it was", async () => {
  const hostile = await ApiProcess.start(heapMiB);
  try {
    await waitFor("the other namespace's key counts", async () => {
      const { status } = await fetch(`${hostile.url}/api/v1/runs`, { headers: withKey(other.key) });
      return status === 200;
    });
    const id = await trigger(hostile.url, key, "x".repeat(500_000));
    const streams = await Promise.all(Array.from({ length: 450 }, () => open(hostile.url, id, key)));
    expect(new Set(streams.map(({ statusCode }) => statusCode))).toEqual(new Set([200]));
    for (let n = 0; n < 6; n++) {
      const init = { method: "POST", headers: withKey(key), body: JSON.stringify({ tags: [`n${n}`] }) };
      expect((await fetch(`${hostile.url}/api/v1/runs/${id}/tags`, init)).status).toBe(200);
      await trigger(hostile.url, other.key, n);
    }
    expect(hostile.isAlive).toBe(true);
  } finally {
    await hostile.stop();
  }
});
