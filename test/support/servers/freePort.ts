/**
 * A free loopback port for a server that may be restarted on it. It comes from a range of this test worker,
 * below the kernel's range for outgoing connections, so that no other process takes it between two starts.
 */
import { once } from "node:events";
import { createServer } from "node:net";

const first = 20_000;
const perWorker = 400;
const worker = Number(process.env.VITEST_POOL_ID ?? 0) % 30;
let next = Math.floor(Math.random() * perWorker);

export async function freePort(): Promise<number> {
  for (let tried = 0; tried < perWorker; tried++) {
    const port = first + worker * perWorker + (next++ % perWorker);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${first + worker * perWorker} on`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
