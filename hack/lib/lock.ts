/**
 * One process at a time, on this machine. A lock is a listening socket with a name in the kernel's abstract name
 * space: it is gone with its holder, however that ended, so there is no stale lock to detect. Whoever connects is
 * told who holds it. (Linux; elsewhere there are no such sockets, and no lock is taken.)
 */
import { connect, createServer, type Server } from "node:net";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "./progress.ts";

export async function withLock<T>(name: string, work: () => Promise<T>, timeoutMs = 30 * 60_000): Promise<T> {
  if (process.platform !== "linux") return work();
  const path = `\0fairlead/${name}`;
  const deadline = performance.now() + timeoutMs;
  let told = false;
  for (;;) {
    const server = await listen(path);
    if (server) {
      try {
        return await work();
      } finally {
        server.close();
      }
    }
    if (performance.now() > deadline) throw new Error(`still locked: ${await holder(path)}`);
    if (!told) say(`  waiting for ${await holder(path)} to end …`);
    told = true;
    await sleep(250);
  }
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(
        `process ${process.pid} (${process.argv
          .slice(1)
          .map((part) => basename(part))
          .join(" ")})`,
      );
    });
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

function holder(path: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(path);
    socket.setTimeout(500, () => socket.destroy());
    socket.on("data", (data) => {
      text += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text || "another process"));
  });
}
