/** How many connections requests take. */
import { CoreV1Api } from "@kubernetes/client-node";
import pLimit from "p-limit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConfigMaps, configMap, ScratchNamespace } from "../../support/scratchNamespace.ts";
import { TcpProxy } from "../../support/servers/tcpProxy.ts";

let namespace: ScratchNamespace;

beforeAll(async () => {
  namespace = await ScratchNamespace.create("connections");
  await namespace.client.create(ConfigMaps, namespace.name, configMap("a"));
});
afterAll(() => namespace?.remove());

test("2,000 reads, 48 at once, share a bounded number of connections", async () => {
  const proxy = await TcpProxy.open();
  const client = proxy.client();
  const begun = performance.now();
  await pLimit(48).map(Array(2_000).keys(), () => client.get(ConfigMaps, namespace.name, "a"));
  const perSecond = Math.round(2_000_000 / (performance.now() - begun));
  console.log(`2,000 reads: ${perSecond}/s, ${proxy.accepted} connections`);
  expect(proxy.accepted).toBeLessThanOrEqual(64);
  await client.close();
  await proxy.close();
});

test("requests keep to their number of connections, and watches use others", async () => {
  const proxy = await TcpProxy.open();
  const client = proxy.client({ connections: 4 });
  const stop = new AbortController();
  const watches = Array.from({ length: 12 }, async () => {
    const options = { resourceVersion: "", timeoutSeconds: 60, signal: stop.signal };
    for await (const event of client.watch(ConfigMaps, namespace.name, options)) if (event) break;
  });
  await Promise.all(watches);
  const before = proxy.accepted;
  await pLimit(100).map(Array(200).keys(), () => client.get(ConfigMaps, namespace.name, "a"));
  expect(proxy.accepted - before).toBeLessThanOrEqual(4);
  stop.abort();
  await client.close();
  await proxy.close();
});

test("after one overdue answer no request and no watch waits for an API server that has vanished", async () => {
  const proxy = await TcpProxy.open();
  const client = proxy.client({ connections: 4 });
  const read = (timeoutMs?: number) => client.get(ConfigMaps, namespace.name, "a", { timeoutMs });
  const stop = new AbortController();
  try {
    const opened = Promise.withResolvers<void>();
    const options = { resourceVersion: "", timeoutSeconds: 60, onOpen: opened.resolve, signal: stop.signal };
    const watch = (async () => {
      for await (const _event of client.watch(ConfigMaps, namespace.name, options));
    })();
    watch.catch(() => undefined);
    await opened.promise;
    // All four connections are in use, and idle afterwards.
    await Promise.all(Array.from({ length: 4 }, () => read()));
    proxy.freeze();
    await expect(read(500)).rejects.toMatchObject({ reason: "RequestTimeout" });
    for (let i = 0; i < 4; i++) expect(await read(5_000)).toBeDefined();
    await expect(watch).rejects.toMatchObject({ reason: "ConnectionFailed" });
  } finally {
    stop.abort();
    await client.close();
    await proxy.close();
  }
});

test("the client library alone opens a connection for every request, which is why ours does not use it", async () => {
  const proxy = await TcpProxy.open();
  const api = proxy.config().makeApiClient(CoreV1Api);
  for (let i = 0; i < 50; i++) await api.readNamespacedConfigMap({ namespace: namespace.name, name: "a" });
  expect(proxy.accepted).toBe(50);
  await proxy.close();
});
