import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect, test } from "vitest";
import { Bucket } from "./bucket.ts";

const storeAt = ({ port }: AddressInfo): Bucket => {
  const s3 = { endpoint: `http://127.0.0.1:${port}`, bucket: "b", region: "us-east-1", forcePathStyle: true };
  return new Bucket({ s3, credentials: { accessKeyId: "a", secretAccessKey: "s" }, timeoutMs: 2_000 });
};

test("after one overdue answer no request waits for a store that has vanished without closing its connections", async () => {
  const known = new Set<Socket>();
  let vanished = new Set<Socket>();
  const server = createServer((request, response) => {
    if (vanished.has(request.socket)) return;
    response.writeHead(200, { "content-length": "1" }).end();
  });
  server.on("connection", (socket) => known.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const store = storeAt(server.address() as AddressInfo);
  try {
    await Promise.all(Array.from({ length: 4 }, () => store.head("warm")));
    expect(known.size).toBe(4);
    vanished = new Set(known);
    await expect(store.head("one")).rejects.toThrow();
    for (let i = 0; i < 4; i++) expect(await store.head("one")).toMatchObject({ size: 1 });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a store that vanishes in the middle of an object ends the read", async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-length": "10" }).write("half");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const store = storeAt(server.address() as AddressInfo);
  try {
    await expect(store.get("one", { maxBytes: 100 })).rejects.toThrow();
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
