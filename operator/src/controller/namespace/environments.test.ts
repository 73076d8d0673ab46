import type { Logger } from "pino";
import { expect, test } from "vitest";
import type { KubeClient } from "../../kube/client/client.ts";
import { Environments } from "./environments.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

test.each<[scope: string, watched: string[], begun: string[]]>([
  ["all namespaces", [], ["list", "watch"]],
  ["some namespaces", ["n"], ["get n"]],
])("Environments of %s are started once, however often that is asked for", async (_scope, watched, begun) => {
  const calls: string[] = [];
  const client = {
    async get(_resource: unknown, _namespace: unknown, name: string) {
      calls.push(`get ${name}`);
      return { metadata: { name } };
    },
    async list() {
      calls.push("list");
      return { metadata: { resourceVersion: "1" }, items: [{ metadata: { name: "n" } }] };
    },
    async *watch(_resource: unknown, _namespace: unknown, { signal }: { signal: AbortSignal }) {
      calls.push("watch");
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  } as unknown as KubeClient;
  const stop = new AbortController();
  const environments = new Environments(client, watched, 0, log);
  await Promise.all([environments.start(stop.signal), environments.start(stop.signal)]);
  await environments.start(new AbortController().signal);
  expect(environments.exists("n")).toBe(true);
  expect(calls).toEqual(begun);
  stop.abort();
});
