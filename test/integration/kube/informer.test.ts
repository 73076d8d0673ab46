/** The informer against a real API server: big lists, watches that end, connections that break. */
import type { V1ConfigMap } from "@kubernetes/client-node";
import pLimit from "p-limit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { Informer, type InformerOptions } from "../../../operator/src/kube/cache/informer.ts";
import type { KubeClient, WatchOptions } from "../../../operator/src/kube/client/client.ts";
import { quiet } from "../../support/quiet.ts";
import { ConfigMaps, configMap, createKind, ScratchNamespace } from "../../support/scratchNamespace.ts";
import { TcpProxy } from "../../support/servers/tcpProxy.ts";

const labelSelector = "suite=kube";
const stops: AbortController[] = [];
const namespaces: ScratchNamespace[] = [];
let shared: ScratchNamespace;

async function ownNamespace(): Promise<ScratchNamespace> {
  const namespace = await ScratchNamespace.create("informer");
  namespaces.push(namespace);
  return namespace;
}

beforeAll(async () => {
  shared = await ownNamespace();
});

afterAll(async () => {
  for (const stop of stops) stop.abort();
  await Promise.all(namespaces.map((namespace) => namespace.remove()));
});

/** A client that reports its lists, and whose watches can be changed. */
function listening(
  client: KubeClient,
  spy: { onPage?: (items: number) => void; onWatch?: (options: WatchOptions) => WatchOptions },
): KubeClient {
  const source = {
    list: async (...args: Parameters<KubeClient["list"]>) => {
      const page = await client.list(...args);
      spy.onPage?.(page.items.length);
      return page;
    },
    watch: (...[resource, namespace, options]: Parameters<KubeClient["watch"]>) =>
      client.watch(resource, namespace, spy.onWatch?.(options) ?? options),
  };
  return source as unknown as KubeClient;
}

/** An informer, and the state rebuilt from its change events alone. */
function follow(
  client: KubeClient,
  namespace: string | undefined,
  options: Partial<InformerOptions<V1ConfigMap>> = {},
  resource = ConfigMaps,
) {
  const informer = new Informer<V1ConfigMap>(client, resource, {
    namespace,
    labelSelector,
    log: quiet,
    backoffMs: 50,
    maxBackoffMs: 500,
    ...options,
  });
  const replayed = new Map<string, string>();
  const broken: string[] = [];
  informer.on("change", (key, before, after) => {
    if (replayed.get(key) !== before?.metadata?.resourceVersion) broken.push(key);
    if (after?.metadata?.resourceVersion) replayed.set(key, after.metadata.resourceVersion);
    else replayed.delete(key);
  });
  const stop = new AbortController();
  stops.push(stop);
  return { informer, replayed, broken, stop, synced: informer.start(stop.signal) };
}

async function truth(
  client: KubeClient,
  namespace: string,
  resource = ConfigMaps,
): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for await (const object of client.listAll(resource, namespace, { labelSelector })) {
    all[`${namespace}/${object.metadata?.name}`] = object.metadata?.resourceVersion ?? "";
  }
  return all;
}

function contents(informer: Informer<V1ConfigMap>): Record<string, string> {
  const pairs = [...informer.list()].map(({ metadata }) => [
    `${metadata?.namespace}/${metadata?.name}`,
    metadata?.resourceVersion ?? "",
  ]);
  return Object.fromEntries(pairs);
}

const sorted = (state: Record<string, string>): string => JSON.stringify(Object.entries(state).sort());

describe("1,200 objects", () => {
  test("1,200 objects are listed in pages, without managedFields, as the API server has them", async () => {
    const { name, client } = await ownNamespace();
    await pLimit(32).map(Array(1_200).keys(), (i) =>
      client.create(ConfigMaps, name, configMap(`c${i}`, { value: String(i) })),
    );
    const pages: number[] = [];
    const counting = listening(client, { onPage: (items) => pages.push(items) });
    const { informer, synced } = follow(counting, name);
    await synced;
    expect(pages).toEqual([500, 500, 200]);
    expect(contents(informer)).toEqual(await truth(client, name));
    expect(informer.get(name, "c7")).toMatchObject({
      apiVersion: "v1",
      kind: "ConfigMap",
      data: { value: "7" },
    });
    expect(informer.get(name, "c7")?.metadata).not.toHaveProperty("managedFields");
  });
});

describe("watches that end", () => {
  test("watches that end at their time limit lose no change and cause no second list", async () => {
    const { name, client } = await ownNamespace();
    let lists = 0;
    const counting = listening(client, { onPage: () => lists++ });
    const { informer, synced, broken } = follow(counting, name, { watchSeconds: 1 });
    await synced;
    for (let i = 0; i < 40; i++) {
      await client.create(ConfigMaps, name, configMap(`c${i}`));
      if (i % 3 === 0) await client.delete(ConfigMaps, name, `c${i}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const expected = await truth(client, name);
    await waitFor("the last changes", () => sorted(contents(informer)) === sorted(expected));
    expect(lists).toBe(1);
    expect(broken).toEqual([]);
  });

  test("a watch whose resourceVersion is too old is replaced by a new list that includes the deletions", async () => {
    const { name, client } = await ownNamespace();
    const { resource, remove } = await createKind(client);
    const thing = (i: number) => ({
      ...configMap(`c${i}`),
      apiVersion: `${resource.group}/v1`,
      kind: "Thing",
    });
    await pLimit(5).map(Array(5).keys(), (i) => client.create(resource, name, thing(i)));
    let lists = 0;
    let watches = 0;
    const forgetful = listening(client, {
      onPage: () => lists++,
      // The second watch asks for events from before the API server watched this kind.
      onWatch: (options) => (++watches === 2 ? { ...options, resourceVersion: "1" } : options),
    });
    const logged: string[] = [];
    const log = { ...quiet, info: (_context: object, text: string) => logged.push(text) } as never;
    const { informer, synced, broken } = follow(forgetful, name, { watchSeconds: 1, log }, resource);
    await synced;
    await client.delete(resource, name, "c1");
    await waitFor("the new list", () => lists === 2);
    await client.create(resource, name, thing(9));
    await waitFor("a change after it", () => informer.get(name, "c9") !== undefined);
    expect(contents(informer)).toEqual(await truth(client, name, resource));
    expect(broken).toEqual([]);
    expect(logged).toEqual(["a watch expired; listing again"]);
    await remove();
  });
});

describe("connections that break", () => {
  test("the cache converges after 20 cut connections while objects are created, changed and deleted", async () => {
    const { name, client } = await ownNamespace();
    const proxy = await TcpProxy.open();
    const near = proxy.client();
    const { informer, replayed, broken, synced } = follow(near, name);
    await synced;
    let writing = true;
    const writer = async (lane: number): Promise<void> => {
      for (let i = 0; writing; i++) {
        const object = configMap(`lane${lane}-${i % 12}`, { i: String(i) });
        const known = await client.get(ConfigMaps, name, object.metadata?.name ?? "");
        if (!known) informer.upsertFromWrite(await client.create(ConfigMaps, name, object));
        else if (i % 5 === 0) await client.delete(ConfigMaps, name, object.metadata?.name ?? "");
        else {
          const { data } = object;
          const patch = { data };
          const options = { type: "merge" } as const;
          informer.upsertFromWrite(
            await client.patch(ConfigMaps, name, object.metadata?.name ?? "", patch, options),
          );
        }
      }
    };
    const writers = [0, 1, 2, 3].map(writer);
    while (proxy.cuts < 20) {
      await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 250));
      proxy.cut();
    }
    writing = false;
    await Promise.all(writers);
    const expected = await truth(client, name);
    await waitFor("convergence", () => sorted(contents(informer)) === sorted(expected));
    expect(sorted(Object.fromEntries(replayed))).toBe(sorted(expected));
    expect(broken).toEqual([]);
    await near.close();
    await proxy.close();
  });

  test("a watch on a silently dead connection is replaced", async () => {
    const proxy = await TcpProxy.open();
    const near = proxy.client();
    const { informer, synced } = follow(near, shared.name, { idleTimeoutMs: 3_000 });
    await synced;
    await waitFor("the watch", () => proxy.open === 2);
    proxy.freeze();
    await shared.client.create(ConfigMaps, shared.name, configMap("unseen"));
    await waitFor("the change", () => informer.get(shared.name, "unseen") !== undefined, {
      timeoutMs: 15_000,
    });
    await near.close();
    await proxy.close();
  });
});

describe("our own writes", () => {
  test("our own writes are visible at once, and a late answer does not bring a deleted object back", async () => {
    const { name, client } = shared;
    const { informer, synced } = follow(client, name);
    await synced;
    for (let i = 0; i < 100; i++) {
      const created = await client.create(ConfigMaps, name, configMap("mine", { i: String(i) }));
      informer.upsertFromWrite(created);
      expect(informer.get(name, "mine")?.metadata?.uid).toBe(created.metadata?.uid);
      const patched = await client.patch(
        ConfigMaps,
        name,
        "mine",
        { data: { more: "x" } },
        { type: "merge" },
      );
      informer.upsertFromWrite(patched);
      expect(informer.get(name, "mine")?.data).toEqual({ i: String(i), more: "x" });
      await client.delete(ConfigMaps, name, "mine", { uid: created.metadata?.uid });
      await waitFor("the deletion", () => informer.get(name, "mine") === undefined);
      // A late answer about a deleted object.
      informer.upsertFromWrite(patched);
      expect(informer.get(name, "mine")).toBeUndefined();
    }
  });

  test("a failed precondition on uid or resourceVersion is a Conflict", async () => {
    const { name, client } = shared;
    const { metadata } = await client.create(ConfigMaps, name, configMap("guarded"));
    await expect(client.delete(ConfigMaps, name, "guarded", { uid: "other" })).rejects.toMatchObject({
      status: 409,
    });
    await client.patch(ConfigMaps, name, "guarded", { data: { a: "b" } }, { type: "merge" });
    const resourceVersion = metadata?.resourceVersion;
    await expect(client.delete(ConfigMaps, name, "guarded", { resourceVersion })).rejects.toMatchObject({
      reason: "Conflict",
    });
    expect(await client.delete(ConfigMaps, name, "guarded", { uid: metadata?.uid })).toBe(true);
    expect(await client.delete(ConfigMaps, name, "guarded")).toBe(false);
  });
});

test("one informer watches two namespaces", async () => {
  const other = await ownNamespace();
  const { informer, synced } = follow(shared.client, undefined, { namespaces: [shared.name, other.name] });
  await synced;
  for (const { name, client } of [shared, other]) await client.create(ConfigMaps, name, configMap("both"));
  await waitFor("both", () => Boolean(informer.get(shared.name, "both") && informer.get(other.name, "both")));
});
