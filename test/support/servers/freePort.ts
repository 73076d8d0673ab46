/**
 * A loopback port that nobody listens on, for a server that may be stopped and started again on it. From a range of this
 * worker's own below the one that the kernel takes outgoing connections from: between two starts nobody else gets it.
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
