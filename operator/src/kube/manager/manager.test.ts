import { setTimeout as sleep } from "node:timers/promises";
import type { V1ConfigMap, V1Pod } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { afterEach, expect, test, vi } from "vitest";
import { Pods, type Resource } from "../resources.ts";
import { cacheOf } from "./caches.ts";
import { type Controller, controllerOf, keyOfLabel, onChange } from "./controller.ts";
import { Manager, type PeriodicWork } from "./manager.ts";
import { again, at, done, type Requeue } from "./requeue.ts";

const ConfigMaps: Resource<V1ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};
const caches = {
  maps: cacheOf(ConfigMaps, { indexes: { color: ({ data }) => (data?.color ? [data.color] : []) } }),
  pods: cacheOf(Pods),
};

let version = 1;
const map = (name: string, data: Record<string, string> = {}, uid = name): V1ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "n", uid, resourceVersion: String(++version) },
  data,
});
const pod = (name: string, labels: Record<string, string>): V1Pod => ({
  metadata: { name, namespace: "n", uid: name, resourceVersion: String(++version), labels },
});

interface ManagerHarness {
  manager: Manager<typeof caches>;
  deps: Manager<typeof caches>["caches"];
  /** Keys in the order in which they were reconciled. */
  keys: string[];
  /** What the reconciler does with a key, beside noting it. */
  behaviour: (key: string) => Requeue;
  warnings: object[];
  events: string[];
  lead(): Promise<{ stop(): Promise<void> }>;
}

const waiting = { timeout: 2_000, interval: 1 };
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/**
 * A manager whose caches were filled from an API server that has these ConfigMaps, and that hears of no
 * change.
 */
async function createManagerHarness(
  existing: V1ConfigMap[] = [],
  options: { synced?: boolean } = {},
): Promise<ManagerHarness> {
  const events: string[] = [];
  const warnings: object[] = [];
  const client = {
    list: async (resource: Resource<V1ConfigMap>) => ({
      metadata: { resourceVersion: "1" },
      items: resource.kind === "ConfigMap" ? existing : [],
    }),
    async *watch(_resource: unknown, _namespace: unknown, { signal }: { signal: AbortSignal }) {
      await sleep(60_000, undefined, { signal }).catch(() => undefined);
    },
    create: async (_resource: unknown, _namespace: unknown, { reason }: { reason: string }) => {
      events.push(reason);
      return {};
    },
  } as unknown as ConstructorParameters<typeof Manager>[0]["client"];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => warnings.push(fields) };
  const manager = new Manager({
    client,
    caches,
    namespaces: [],
    component: "test",
    log: log as unknown as Logger,
    baseDelayMs: 40,
    maxDelayMs: 40,
  });
  const process = new AbortController();
  ends.push(async () => process.abort());
  if (options.synced !== false) await manager.sync(process.signal);
  const harness: ManagerHarness = {
    manager,
    deps: manager.caches,
    keys: [],
    behaviour: () => done,
    warnings,
    events,
    async lead() {
      const term = new AbortController();
      const ended = manager.lead(AbortSignal.any([term.signal, process.signal]));
      const stop = async (): Promise<void> => {
        term.abort();
        await ended;
      };
      ends.unshift(stop);
      await vi.waitFor(() => expect(manager.leads("n")).toBe(true), waiting);
      return { stop };
    },
  };
  return harness;
}

const mapsOf = (harness: ManagerHarness): Controller<ManagerHarness["deps"]> =>
  controllerOf<ManagerHarness["deps"], V1ConfigMap>({
    name: "map",
    objects: ({ maps }) => maps,
    watches: [onChange(({ pods }) => pods, keyOfLabel("map"))],
    events: (before, after) =>
      before?.data?.color === after.data?.color
        ? []
        : [{ type: "Normal", reason: before ? "Painted" : "Created", message: `${after.data?.color}` }],
    reconcile: async (_deps, key) => {
      harness.keys.push(key);
      return harness.behaviour(key);
    },
  });

const reconciled = (harness: ManagerHarness, count: number): Promise<void> =>
  vi.waitFor(() => expect(harness.keys.length).toBeGreaterThanOrEqual(count), waiting);

test("a new leader begins with the key of every object", async () => {
  const harness = await createManagerHarness([map("a"), map("b"), map("c")]);
  harness.manager.add(harness.deps, mapsOf(harness));
  await harness.lead();
  await reconciled(harness, 3);
  expect(harness.keys.sort()).toEqual(["n/a", "n/b", "n/c"]);
});

test("a process that stands by reconciles nothing, records no Event and queues no key", async () => {
  const harness = await createManagerHarness([map("a")]);
  const controller = mapsOf(harness);
  harness.manager.add(harness.deps, controller);
  harness.deps.maps.upsertFromWrite(map("b", { color: "red" }));
  harness.manager.enqueue(controller, "n/b");
  await sleep(20);
  expect(harness.keys).toEqual([]);
  const { stop } = await harness.lead();
  await reconciled(harness, 2);
  await stop();
  harness.deps.maps.upsertFromWrite(map("c", { color: "red" }));
  await sleep(20);
  expect(harness.keys.sort()).toEqual(["n/a", "n/b"]);
  expect(harness.events).toEqual([]);
  expect(harness.manager.leads("n")).toBe(false);
});

test("a change brings the object's key, and the keys that a watch finds before and after the change", async () => {
  const harness = await createManagerHarness();
  harness.manager.add(harness.deps, mapsOf(harness));
  await harness.lead();
  const { maps, pods } = harness.deps;
  maps.upsertFromWrite(map("a"));
  await reconciled(harness, 1);
  pods.upsertFromWrite(pod("p", { map: "b" }));
  await reconciled(harness, 2);
  pods.upsertFromWrite(pod("p", { map: "c" }));
  await reconciled(harness, 4);
  pods.upsertFromWrite(pod("q", { other: "d" }));
  await sleep(20);
  expect(harness.keys).toEqual(["n/a", "n/b", "n/b", "n/c"]);
});

test("a key function may look into the caches", async () => {
  const harness = await createManagerHarness([map("a", { color: "red" }), map("b", { color: "blue" })]);
  const byColor = controllerOf<ManagerHarness["deps"]>({
    name: "painted",
    watches: [
      onChange(
        ({ pods }) => pods,
        ({ metadata }, { maps }) =>
          maps.byIndex("color", metadata?.labels?.color ?? "").map((found) => `n/${found.metadata?.name}`),
      ),
    ],
    reconcile: async (_deps, key) => {
      harness.keys.push(key);
      return done;
    },
  });
  harness.manager.add(harness.deps, byColor);
  await harness.lead();
  harness.deps.pods.upsertFromWrite(pod("p", { color: "blue" }));
  await reconciled(harness, 1);
  expect(harness.keys).toEqual(["n/b"]);
});

test("a change is recorded as Events; a replaced object counts as new", async () => {
  const harness = await createManagerHarness();
  harness.manager.add(harness.deps, mapsOf(harness));
  const { stop } = await harness.lead();
  const { maps } = harness.deps;
  for (const one of [map("a", { color: "red" }), map("a", { color: "blue" }), map("a", { color: "blue" })])
    maps.upsertFromWrite(one);
  maps.upsertFromWrite(map("a", { color: "green" }, "another uid"));
  await stop();
  expect(harness.events).toEqual(["Created", "Painted", "Created"]);
});

test("a key comes back when its reconciler wants to look again", async () => {
  const harness = await createManagerHarness([map("a")]);
  harness.manager.add(harness.deps, mapsOf(harness));
  const due = Date.now() + 60;
  harness.behaviour = () => {
    if (harness.keys.length === 1) return again;
    return harness.keys.length === 2 ? at(due) : done;
  };
  await harness.lead();
  await reconciled(harness, 2);
  await reconciled(harness, 3);
  expect(Date.now()).toBeGreaterThanOrEqual(due);
  await sleep(50);
  expect(harness.keys).toHaveLength(3);
});

test("a reconciliation that fails is logged with its key, counted, and tried again after a backoff", async () => {
  const harness = await createManagerHarness([map("a")]);
  harness.manager.add(harness.deps, mapsOf(harness));
  const times: number[] = [];
  harness.behaviour = () => {
    times.push(Date.now());
    if (times.length < 3) throw new Error("not now");
    return done;
  };
  await harness.lead();
  await reconciled(harness, 3);
  const [first = 0, , third = 0] = times;
  expect(third - first).toBeGreaterThanOrEqual(2 * 19);
  expect(harness.warnings).toMatchObject([
    { map: "n/a", failures: 1 },
    { map: "n/a", failures: 2 },
  ]);
  const stats = { controller: "map", depth: 0, reconciles: 3, errors: 2 };
  await vi.waitFor(() => expect(harness.manager.stats()).toEqual([stats]), waiting);
});

test("periodic work runs only while the process leads, and begins anew with each term", async () => {
  const harness = await createManagerHarness();
  const runs: number[] = [];
  let terms = 0;
  const counter: PeriodicWork<object> = {
    everyMs: 5,
    firstMs: 0,
    failure: "counting failed",
    begin: () => {
      const term = ++terms;
      return async () => void runs.push(term);
    },
  };
  harness.manager.addPeriodic({}, counter);
  await sleep(20);
  expect(runs).toEqual([]);
  for (const term of [1, 2]) {
    const { stop } = await harness.lead();
    const ofTerm = () => runs.filter((one) => one === term).length;
    await vi.waitFor(() => expect(ofTerm()).toBeGreaterThan(1), waiting);
    await stop();
  }
  const count = runs.length;
  await sleep(20);
  expect(runs).toHaveLength(count);
});

test("a manager is not ready before its caches are filled, and not stuck at first", async () => {
  const { manager } = await createManagerHarness([], { synced: false });
  expect(manager.problem()).toBe("the caches are not filled yet");
  expect(manager.stuck()).toBeUndefined();
  const stop = new AbortController();
  await manager.sync(stop.signal);
  expect(manager.problem()).toBeUndefined();
  stop.abort();
});

test("a key for a controller that was not added is a mistake", async () => {
  const harness = await createManagerHarness();
  expect(() => harness.manager.enqueue(mapsOf(harness), "n/a")).toThrow("controller map was not added");
});
