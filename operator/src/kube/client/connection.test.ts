import { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection } from "./connection.ts";

const cluster = {
  name: "c",
  server: "https://127.0.0.1:6443/",
  caData: Buffer.from("first CA").toString("base64"),
};

function configured(more: Partial<typeof cluster> & { proxyUrl?: string } = {}): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ ...cluster, skipTLSVerify: false, ...more }, { name: "u", token: "first" });
  return config;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => vi.useRealTimers());

test("dispatchers stay while headers are refreshed, and are replaced with the TLS material", async () => {
  const config = configured();
  const connection = new Connection(config, 4);
  const first = await connection.access();
  expect(first.headers.authorization).toBe("Bearer first");
  const [user] = config.users;
  config.users = [{ ...user, name: "u", token: "second" }];
  expect(await connection.access()).toBe(first);
  vi.advanceTimersByTime(11_000);
  const second = await connection.access();
  expect(second.headers.authorization).toBe("Bearer second");
  expect(second.requests).toBe(first.requests);
  expect(second.streams).toBe(first.streams);
  const close = vi.spyOn(first.requests, "close");
  config.clusters = [
    { ...cluster, skipTLSVerify: false, caData: Buffer.from("second CA").toString("base64") },
  ];
  vi.advanceTimersByTime(11_000);
  const third = await connection.access();
  expect(third.requests).not.toBe(first.requests);
  expect(third.streams).not.toBe(first.streams);
  expect(close).toHaveBeenCalled();
  await connection.close();
});

test("concurrent callers share one refresh", async () => {
  const config = configured();
  const ask = vi.spyOn(config, "applyToHTTPSOptions");
  const connection = new Connection(config, 4);
  const [one, other] = await Promise.all([connection.access(), connection.access()]);
  expect(one).toBe(other);
  expect(ask).toHaveBeenCalledOnce();
  await connection.close();
});

test("an unusable configuration is refused with the reason", async () => {
  const empty = new KubeConfig();
  empty.loadFromString("{clusters: [], contexts: [], users: []}");
  expect(() => new Connection(empty, 4)).toThrow("the kubeconfig has no current context");
  const connection = new Connection(configured({ proxyUrl: "socks5://127.0.0.1:1" }), 4);
  await expect(connection.access()).rejects.toThrow("a SOCKS proxy-url in the kubeconfig is not supported");
});
