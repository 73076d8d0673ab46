/** How many connections requests take. */
import { CoreV1Api } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ConfigMaps,
  configMap,
  inParallel,
  type TestNamespace,
  testNamespace,
  Wire,
} from "../../support/kube.ts";

let namespace: TestNamespace;

beforeAll(async () => {
  namespace = await testNamespace("connections");
  await namespace.client.create(ConfigMaps, namespace.name, configMap("a"));
});
afterAll(() => namespace?.remove());

test("2,000 reads, 48 at once, share a bounded number of connections", async () => {
  const wire = await Wire.open();
  const client = wire.client();
  const begun = performance.now();
  await inParallel(2_000, 48, () => client.get(ConfigMaps, namespace.name, "a"));
  const perSecond = Math.round(2_000_000 / (performance.now() - begun));
  console.log(`2,000 reads: ${perSecond}/s, ${wire.accepted} connections`);
  expect(wire.accepted).toBeLessThanOrEqual(64);
  await client.close();
  await wire.close();
});

test("requests stay below the bound, and watches do not take their connections away", async () => {
  const wire = await Wire.open();
  const client = wire.client({ connections: 4 });
  const stop = new AbortController();
  const watches = Array.from({ length: 12 }, async () => {
    const options = { resourceVersion: "", timeoutSeconds: 60, signal: stop.signal };
    for await (const event of client.watch(ConfigMaps, namespace.name, options)) if (event) break;
  });
  await Promise.all(watches);
  const before = wire.accepted;
  await inParallel(200, 100, () => client.get(ConfigMaps, namespace.name, "a"));
  expect(wire.accepted - before).toBeLessThanOrEqual(4);
  stop.abort();
  await client.close();
  await wire.close();
});

test("what this is for: the client library opens a connection for every request", async () => {
  const wire = await Wire.open();
  const api = wire.config().makeApiClient(CoreV1Api);
  for (let i = 0; i < 50; i++) await api.readNamespacedConfigMap({ namespace: namespace.name, name: "a" });
  expect(wire.accepted).toBe(50);
  await wire.close();
});
