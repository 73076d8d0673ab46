/**
 * A lock between processes of this machine. It is a listening socket in the kernel's abstract namespace: the
 * kernel removes it with its holder, so a lock is never stale. Connecting to it returns a description of the
 * holder. Linux only; elsewhere no lock is taken.
 */
import { connect, createServer, type Server } from "node:net";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "./progress.ts";

export async function withLock<T>(name: string, work: () => Promise<T>, timeoutMs = 30 * 60_000): Promise<T> {
  if (process.platform !== "linux") return work();
  const path = `\0fairlead/${name}`;
  const deadline = performance.now() + timeoutMs;
  let reported = false;
  for (;;) {
    const server = await listen(path);
    if (server) {
      try {
        return await work();
      } finally {
        server.close();
      }
    }
    if (performance.now() > deadline) throw new Error(`still locked by ${await describeHolder(path)}`);
    if (!reported) say(`  waiting for ${await describeHolder(path)} to end …`);
    reported = true;
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

function describeHolder(path: string): Promise<string> {
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
