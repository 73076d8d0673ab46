/**
 * Ways in which a namespace can ask too much of a replica, each at full rate until its process's input ends.
 * `node hostileWays.ts WAY URL`.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { RunTokens } from "../../operator/src/runs/runToken.ts";
import { key, namespace } from "../support/servers/apiReplica.ts";

const mebibyte = 1024 * 1024;
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };

async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { headers, ...init });
}

const post = (url: string, body: string): Promise<Response> => ask(url, { method: "POST", body });

/** Again and again, so many at once. A refusal is no reason to stop. */
function always(atOnce: number, work: () => Promise<Response | undefined>): void {
  for (let worker = 0; worker < atOnce; worker++)
    void (async () => {
      for (;;) {
        try {
          await (await work())?.arrayBuffer();
        } catch {
          await new Promise(setImmediate);
        }
      }
    })();
}

/** A connection whose answer is not read, and whose body does not go on; opened again when it was ended. */
async function hang(url: string, head: string): Promise<undefined> {
  const { hostname, port, pathname } = new URL(url);
  const socket = connect(Number(port), hostname).pause();
  const closed = once(socket, "close");
  await once(socket, "connect");
  const [method, rest = ""] = head.split("|");
  socket.write(`${method} ${pathname} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${rest}\r\n`);
  await closed;
  return undefined;
}

async function link(url: string, method: "GET" | "PUT"): Promise<string> {
  const answer = await ask(`${url}/api/v1/packets/one`, { method });
  return ((await answer.json()) as { presignedUrl: string }).presignedUrl;
}

async function triggered(url: string, payload: unknown): Promise<string> {
  const made = await post(`${url}/api/v1/tasks/echo/trigger`, JSON.stringify({ payload }));
  return ((await made.json()) as { id: string }).id;
}

export const ways: Record<string, (url: string) => Promise<void> | void> = {
  bodies: (url) => {
    const body = `{"payload":[${"{},".repeat((23 * mebibyte) / 3)}0]}`;
    always(8, () => post(`${url}/api/v1/tasks/echo/trigger`, body));
  },
  downloads: async (url) => {
    await fetch(await link(url, "PUT"), { method: "PUT", body: "x".repeat(9_000_000) });
    const address = await link(url, "GET");
    always(100, () => hang(address, "GET|"));
  },
  uploads: async (url) => {
    const address = await link(url, "PUT");
    always(100, () => hang(address, "PUT|content-length: 1000\r\n"));
  },
  streams: async (url) => {
    const id = await triggered(url, "x".repeat(400_000));
    const token = `authorization: Bearer ${key}\r\n`;
    always(450, () => hang(`${url}/realtime/fairlead/v1/runs/${id}`, `GET|${token}`));
    let n = 0;
    always(1, () =>
      ask(`${url}/api/v1/runs/${id}/metadata`, { method: "PUT", body: `{"metadata":{"n":${n++}}}` }),
    );
  },
  storage: (url) => {
    const body = JSON.stringify({
      payload: "x".repeat(100_000),
      options: { metadata: { text: "x".repeat(4_000) }, delay: "1h" },
    });
    always(32, () => post(`${url}/api/v1/tasks/echo/trigger`, body));
  },
  lists: (url) => always(32, () => ask(`${url}/api/v1/runs?filter[tag]=none`)),
  runner: async (url) => {
    const retry = { maxAttempts: 1, factor: 1, minTimeoutInMs: 1, maxTimeoutInMs: 1, randomize: false };
    const podUid = "0f9a3f2e-6f2c-4d56-9b39-0f6f3e1f0a11";
    const claims = { ns: namespace, run: "gone", uid: "u", attempt: 1, podUid, retry, access: [] };
    const authorization = `Bearer ${await new RunTokens("signing-key").sign(claims)}`;
    always(32, () => ask(`${url}/engine/v1/attempt`, { headers: { authorization } }));
  },
};

if (import.meta.main) {
  const [, , way = "", url = ""] = process.argv;
  await ways[way]?.(url);
  process.stdin.resume().on("end", () => process.exit(0));
}
