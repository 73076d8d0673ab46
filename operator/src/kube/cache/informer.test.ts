import { setTimeout as sleep } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import { afterEach, describe, expect, test } from "vitest";
import { KubeError } from "../client/client.ts";
import { Namespaces, Pods } from "../resources.ts";
import { Informer, type InformerOptions } from "./informer.ts";
import type { Source } from "./reflector.ts";

type Step = { type: string; name: string; version: number } | { fail: KubeError } | "end";

const expired = new KubeError({
  method: "GET",
  path: "/pods",
  status: 410,
  reason: "Expired",
  message: "too old",
});
const refused = new KubeError({
  method: "GET",
  path: "/pods",
  status: 0,
  reason: "ConnectionFailed",
  message: "",
});

const pod = (name: string, version: number, namespace = "ns"): V1Pod => ({
  metadata: { name, namespace, uid: name, resourceVersion: String(version) },
});

/** Plays pages for lists and steps for watches; a watch without steps left stays open. */
class FakeSource {
  readonly calls: string[] = [];
  readonly pages: { items: V1Pod[]; version?: string; next?: string; fail?: KubeError }[] = [];
  readonly watches: Step[][] = [];
  openWatches = 0;
  mostWatches = 0;

  async list(
    _resource: unknown,
    namespace: string | undefined,
    options: { continue?: string; limit?: number },
  ) {
    this.calls.push(`list ${namespace ?? "*"} ${options.continue ?? ""}`.trim());
    const page = this.pages.shift() ?? { items: [], version: "1" };
    if (page.fail) throw page.fail;
    return { metadata: { resourceVersion: page.version, continue: page.next }, items: page.items };
  }

  async *watch(
    _resource: unknown,
    namespace: string | undefined,
    options: { resourceVersion: string; signal: AbortSignal; onOpen?: () => void },
  ) {
    this.calls.push(`watch ${namespace ?? "*"} ${options.resourceVersion}`);
    this.openWatches += 1;
    this.mostWatches = Math.max(this.mostWatches, this.openWatches);
    try {
      options.onOpen?.();
      for (const step of this.watches.shift() ?? []) {
        if (step === "end") return;
        if ("fail" in step) throw step.fail;
        yield { type: step.type, object: pod(step.name, step.version) };
      }
      await sleep(60_000, undefined, { signal: options.signal });
    } finally {
      this.openWatches -= 1;
    }
  }
}

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function setup(options: Partial<InformerOptions<V1Pod>> = {}, resource = Pods) {
  const source = new FakeSource();
  const logged: string[] = [];
  const write = (level: string) => (_context: object, text: string) => logged.push(`${level} ${text}`);
  const log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  } as never;
  const informer = new Informer<V1Pod>(source as unknown as Source, resource, {
    log,
    backoffMs: 5,
    maxBackoffMs: 20,
    ...options,
  });
  const changes: string[] = [];
  informer.on("change", (key, before, after) =>
    changes.push(
      `${key} ${before?.metadata?.resourceVersion ?? "-"}>${after?.metadata?.resourceVersion ?? "-"}`,
    ),
  );
  const stop = new AbortController();
  stops.push(stop);
  return { source, informer, changes, logged, stop };
}

const until = async (condition: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !condition(); i++) await sleep(5);
  expect(condition()).toBe(true);
};

describe("an informer", () => {
  test("an informer lists page by page, then watches from the list's version, then from the newest event or bookmark", async () => {
    const { source, informer, changes, stop } = setup({ namespace: "ns" });
    source.pages.push(
      { items: [pod("a", 1)], version: "10", next: "more" },
      { items: [pod("b", 2)], version: "10" },
    );
    source.watches.push(
      [{ type: "ADDED", name: "c", version: 11 }, { type: "BOOKMARK", name: "", version: 30 }, "end"],
      [{ type: "DELETED", name: "a", version: 31 }],
    );
    await informer.start(stop.signal);
    await until(() => changes.length === 4);
    expect(source.calls).toEqual(["list ns", "list ns more", "watch ns 10", "watch ns 30"]);
    expect(changes).toEqual(["ns/a ->1", "ns/b ->2", "ns/c ->11", "ns/a 1>-"]);
    expect(informer.get("ns", "c")?.metadata?.resourceVersion).toBe("11");
    expect(Date.now() - informer.lastActivityAt).toBeLessThan(1_000);
  });

  test("an expired version means a new list, which reports only the differences", async () => {
    const { source, informer, changes, logged, stop } = setup();
    source.pages.push(
      { items: [pod("a", 1), pod("b", 2)], version: "10" },
      { items: [pod("a", 1)], version: "20" },
    );
    source.watches.push([{ fail: expired }]);
    await informer.start(stop.signal);
    await until(() => source.calls.length === 4);
    expect(source.calls).toEqual(["list *", "watch * 10", "list *", "watch * 20"]);
    expect(changes).toEqual(["ns/a ->1", "ns/b ->2", "ns/b 2>-"]);
    expect(logged).toEqual(["info a watch expired; listing again"]);
  });

  test("a list that expires between pages begins again and deletes nothing meanwhile", async () => {
    const { source, informer, changes, stop } = setup();
    source.pages.push(
      { items: [pod("a", 1)], version: "10", next: "more" },
      { items: [], fail: expired },
      { items: [pod("a", 1)], version: "12", next: "more" },
      { items: [pod("b", 2)], version: "12" },
    );
    await informer.start(stop.signal);
    expect(changes).toEqual(["ns/a ->1", "ns/b ->2"]);
    expect(source.calls.slice(0, 4)).toEqual(["list *", "list * more", "list *", "list * more"]);
  });

  test("a lost connection keeps the version, and there is never more than one watch", async () => {
    const { source, informer, logged, stop } = setup();
    source.pages.push({ items: [], version: "10" });
    for (let i = 0; i < 8; i++)
      source.watches.push([{ type: "ADDED", name: `p${i}`, version: 11 + i }, { fail: refused }]);
    await informer.start(stop.signal);
    await until(() => source.calls.length === 10);
    expect(source.calls.filter((c) => c.startsWith("list"))).toHaveLength(1);
    expect(source.calls.at(-1)).toBe("watch * 18");
    expect(informer.size).toBe(8);
    expect(source.mostWatches).toBe(1);
    expect(logged).toHaveLength(8);
  });

  test("watches that end at once without an event back off instead of spinning", async () => {
    const { source, informer, stop } = setup({ backoffMs: 100, maxBackoffMs: 100 });
    source.watches.push(...Array.from({ length: 100 }, (): Step[] => ["end"]));
    await informer.start(stop.signal);
    await sleep(350);
    expect(source.calls.length).toBeLessThan(10);
  });

  test("several namespaces are one informer; it is synced when all of them are", async () => {
    const { source, informer, changes, stop } = setup({ namespaces: ["x", "y", "x"] });
    source.pages.push({ items: [pod("a", 1, "x")], version: "10" }, { items: [], fail: refused });
    source.pages.push({ items: [pod("a", 2, "y")], version: "12" });
    const started = informer.start(stop.signal);
    expect(informer.synced).toBe(false);
    await started;
    expect(informer.synced).toBe(true);
    expect(changes).toEqual(["x/a ->1", "y/a ->2"]);
    await until(() => source.openWatches === 2);
    expect(new Set(source.calls)).toEqual(new Set(["list x", "list y", "watch x 10", "watch y 12"]));
  });

  test("kinds without namespaces are watched once, whatever namespaces are given", async () => {
    const { source, informer, stop } = setup({ namespaces: ["x", "y"] }, Namespaces as never);
    await informer.start(stop.signal);
    await until(() => source.calls.length === 2);
    expect(source.calls).toEqual(["list *", "watch * 1"]);
  });

  test("start rejects when it is aborted before everything was listed", async () => {
    const { source, informer, stop } = setup();
    source.pages.push(...Array.from({ length: 50 }, () => ({ items: [], fail: refused })));
    const started = informer.start(stop.signal);
    stop.abort(new Error("shutting down"));
    await expect(started).rejects.toThrow("shutting down");
  });
});
