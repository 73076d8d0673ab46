/** One namespace's downloads that nobody reads, and uploads that do not go on: another one's go on. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { ApiProcess, other } from "../../support/servers/apiProcess.ts";
import { key } from "../../support/servers/apiReplica.ts";

const heapMiB = 562;
const size = 9_000_000;

let api: ApiProcess;
const sockets: Socket[] = [];
beforeAll(async () => {
  api = await ApiProcess.start(heapMiB);
  await waitFor("the other namespace's key counts", async () => (await trigger(other.key)) === 200);
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => api?.stop());

const withKey = (token: string) => ({ authorization: `Bearer ${token}`, "content-type": "application/json" });

async function trigger(token: string): Promise<number> {
  const init = { method: "POST", headers: withKey(token), body: '{"options":{"idempotencyKey":"k"}}' };
  return (await fetch(`${api.url}/api/v1/tasks/echo/trigger`, init)).status;
}

async function link(token: string, method: "GET" | "PUT", path: string): Promise<string> {
  const answer = await fetch(`${api.url}/api/v1/packets/${path}`, { method, headers: withKey(token) });
  return ((await answer.json()) as { presignedUrl: string }).presignedUrl;
}

async function put(token: string, body: string): Promise<number> {
  return (await fetch(await link(token, "PUT", "one"), { method: "PUT", body })).status;
}

/** A request whose answer is not read, and whose body, if it has one, does not go on. */
async function begin(url: string, head: string): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname).pause();
  sockets.push(socket);
  await once(socket, "connect");
  const [method, rest = ""] = head.split("|");
  socket.write(`${method} ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${rest}\r\n`);
}

test.each([
  ["60 downloads that nobody reads", "GET" as const, 60, "GET|"],
  ["24 uploads of one byte each", "PUT" as const, 24, "PUT|content-length: 1000\r\n"],
])(
  "%s leave another namespace's trigger, upload and download as they were",
  async (_, method, many, head) => {
    expect(await put(key, "x".repeat(size))).toBe(200);
    const url = await link(key, method, "one");
    for (let at = 0; at < many; at++) await begin(url, head);
    // Their own namespace has no place left.
    await waitFor("a further transfer is refused", async () => {
      const answer = await fetch(url, method === "PUT" ? { method, body: "x" } : {});
      await answer.body?.cancel();
      return answer.status === 429;
    });
    expect(await trigger(other.key)).toBe(200);
    expect(await put(other.key, "mine")).toBe(200);
    expect(await (await fetch(await link(other.key, "GET", "one"))).text()).toBe("mine");
    expect(api.isAlive).toBe(true);
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor("the places were given back", async () => (await put(key, "again")) === 200);
  },
);
