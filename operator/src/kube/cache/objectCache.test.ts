import { describe, expect, test } from "vitest";
import { keyOf } from "../resources.ts";
import { ObjectCache, type ObjectCacheOptions } from "./objectCache.ts";

interface Thing {
  metadata: {
    name: string;
    namespace: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  value?: number;
}

function thing(name: string, version: number, uid = name, more: Partial<Thing> = {}): Thing {
  return { metadata: { name, namespace: "ns", uid, resourceVersion: String(version) }, ...more };
}

function setup(options: Partial<ObjectCacheOptions<Thing>> = {}) {
  const errors: unknown[] = [];
  const cache = new ObjectCache<Thing>({
    log: { error: (e: unknown) => errors.push(e) } as never,
    ...options,
  });
  const changes: string[] = [];
  const shown = (t: Thing | undefined): string => t?.metadata.resourceVersion ?? "-";
  cache.onChange((key, before, after) => changes.push(`${key} ${shown(before)}>${shown(after)}`));
  const list = (version: number, ...things: Thing[]): void => {
    const pass = cache.beginList("");
    for (const t of things) pass.add(t);
    pass.finish(String(version));
  };
  const versions = (): Record<string, string> =>
    Object.fromEntries([...cache.values()].map((t) => [t.metadata.name, t.metadata.resourceVersion]));
  const drain = (): string[] => changes.splice(0);
  return { cache, list, versions, drain, errors };
}

describe("lists and events", () => {
  test("a relist reports new, changed and deleted objects, and nothing else", () => {
    const { list, drain, versions } = setup();
    list(10, thing("a", 1), thing("b", 2), thing("c", 3));
    expect(drain()).toEqual(["ns/a ->1", "ns/b ->2", "ns/c ->3"]);
    list(20, thing("a", 1), thing("b", 12), thing("d", 13));
    expect(drain()).toEqual(["ns/b 2>12", "ns/d ->13", "ns/c 3>-"]);
    expect(versions()).toEqual({ a: "1", b: "12", d: "13" });
  });

  test("a list of one namespace leaves the objects of others alone", () => {
    const { cache, list, versions } = setup();
    list(1, thing("a", 1), { ...thing("x", 1), metadata: { ...thing("x", 1).metadata, namespace: "other" } });
    cache.beginList("other").finish("5");
    expect(versions()).toEqual({ a: "1" });
  });

  test("events are applied as they come, also when versions start over after a restored backup", () => {
    const { cache, list, versions, drain } = setup();
    list(100, thing("a", 90));
    cache.applyEvent("", "MODIFIED", thing("a", 101));
    cache.applyEvent("", "ADDED", thing("b", 102));
    cache.applyEvent("", "DELETED", thing("a", 103));
    expect(drain()).toEqual(["ns/a ->90", "ns/a 90>101", "ns/b ->102", "ns/a 101>-"]);
    list(50, thing("a", 40, "a2"), thing("b", 41));
    expect(versions()).toEqual({ a: "40", b: "41" });
  });

  test("managed fields, the last-applied annotation and what the transform drops are not kept; input is not changed", () => {
    const { cache, list } = setup({ transform: ({ value: _, ...rest }) => rest });
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", mine: "x" };
    const raw = thing("a", 1, "a", { value: 1 });
    const full = { ...raw, metadata: { ...raw.metadata, managedFields: [{}], annotations } };
    list(1, full);
    expect(cache.get("ns/a")).toEqual({ metadata: { ...raw.metadata, annotations: { mine: "x" } } });
    expect(full.metadata.managedFields).toHaveLength(1);
    expect(full.metadata.annotations).toHaveProperty("mine");
  });

  test("a transform, index or handler that throws is logged and affects nothing else", () => {
    const { cache, list, versions, errors } = setup({
      transform: (t) => {
        if (t.value === 13) throw new Error("unlucky");
        return t;
      },
    });
    cache.addIndex("value", (t) => [t.value?.toFixed() as string]);
    cache.addIndex("broken", () => {
      throw new Error("index");
    });
    cache.onChange(() => {
      throw new Error("handler");
    });
    list(
      1,
      thing("a", 1, "a", { value: 1 }),
      thing("b", 1, "b", { value: 13 }),
      thing("c", 1, "c", { value: 2 }),
    );
    expect(versions()).toEqual({ a: "1", c: "1" });
    expect(errors.length).toBe(5); // one transform, two in the index, two in the handler
    expect(cache.byIndex("value", "2").map(keyOf)).toEqual(["ns/c"]);
    expect(cache.byIndex("broken", "2")).toEqual([]);
  });
});

describe("indexes", () => {
  test("an index follows changes and deletions, and can be added late", () => {
    const { cache, list } = setup();
    list(1, thing("a", 1, "a", { value: 1 }), thing("b", 1, "b", { value: 1 }));
    cache.addIndex("value", (t) => (t.value === undefined ? [] : [String(t.value), "any"]));
    const names = (value: string): string[] => cache.byIndex("value", value).map((t) => t.metadata.name);
    expect(names("1")).toEqual(["a", "b"]);
    cache.applyEvent("", "MODIFIED", thing("a", 2, "a", { value: 2 }));
    expect([names("1"), names("2"), names("any")]).toEqual([["b"], ["a"], ["b", "a"]]);
    cache.applyEvent("", "DELETED", thing("b", 3, "b", { value: 1 }));
    cache.applyEvent("", "MODIFIED", thing("a", 4, "a"));
    expect([names("1"), names("2"), names("any")]).toEqual([[], [], []]);
    expect(() => cache.byIndex("other", "1")).toThrow("index other does not exist");
  });
});

describe("answers to our own writes", () => {
  test("an answer to a write counts at once; older events do not undo it, and its own event is no second change", () => {
    const { cache, list, versions, drain } = setup();
    list(10, thing("a", 5));
    cache.upsertFromWrite(thing("a", 15));
    cache.applyEvent("", "MODIFIED", thing("a", 12)); // another writer's, before ours
    expect(versions()).toEqual({ a: "15" });
    cache.applyEvent("", "MODIFIED", thing("a", 15));
    expect(drain()).toEqual(["ns/a ->5", "ns/a 5>15"]);
    cache.applyEvent("", "MODIFIED", thing("a", 16));
    expect(versions()).toEqual({ a: "16" });
  });

  test("an answer that comes late is ignored: the watch is past it", () => {
    const { cache, list, versions } = setup();
    list(10, thing("a", 5));
    cache.applyEvent("", "MODIFIED", thing("a", 20));
    cache.upsertFromWrite(thing("a", 15));
    expect(versions()).toEqual({ a: "20" });
  });

  test("a deletion wins, whether its event comes after or before the answer", () => {
    const { cache, list, versions } = setup();
    list(10, thing("a", 5), thing("b", 6));
    cache.upsertFromWrite(thing("a", 11));
    cache.applyEvent("", "DELETED", thing("a", 13));
    cache.applyEvent("", "DELETED", thing("b", 14));
    cache.upsertFromWrite(thing("b", 12));
    expect(versions()).toEqual({});
  });

  test("a deletion that only a relist shows wins as well", () => {
    const { cache, list, versions } = setup();
    list(10);
    cache.upsertFromWrite(thing("a", 11));
    expect(versions()).toEqual({ a: "11" });
    list(20);
    expect(versions()).toEqual({});
  });

  test("a list that began before the write leaves it alone, unless it is newer", () => {
    const { cache, list, versions } = setup();
    list(10, thing("a", 5), thing("c", 6));
    const pass = cache.beginList("");
    pass.add(thing("a", 5));
    pass.add(thing("c", 6));
    cache.upsertFromWrite(thing("a", 30));
    cache.upsertFromWrite(thing("b", 31));
    cache.upsertFromWrite(thing("c", 19));
    cache.upsertFromWrite(thing("d", 18)); // created and deleted before the list's moment
    pass.add(thing("c", 20));
    pass.finish("25");
    expect(versions()).toEqual({ a: "30", b: "31", c: "20" });
  });

  test("a new object of the same name replaces the old one, whose last events change nothing", () => {
    const { cache, list, versions } = setup();
    list(10, thing("a", 5, "old"));
    cache.upsertFromWrite(thing("a", 15, "new"));
    cache.applyEvent("", "MODIFIED", thing("a", 12, "old"));
    cache.applyEvent("", "DELETED", thing("a", 13, "old"));
    expect(cache.get("ns/a")?.metadata.uid).toBe("new");
    cache.applyEvent("", "ADDED", thing("a", 15, "new"));
    cache.upsertFromWrite(thing("a", 12, "old")); // an answer that was long under way
    expect(cache.get("ns/a")?.metadata.uid).toBe("new");
    cache.applyEvent("", "DELETED", thing("a", 16, "new"));
    expect(versions()).toEqual({});
  });

  test("an object that had ceased to match the selector when we wrote is removed", () => {
    const { cache, list, versions } = setup({ selects: () => false });
    list(10, thing("a", 5));
    cache.upsertFromWrite(thing("a", 15));
    cache.applyEvent("", "DELETED", thing("a", 12));
    cache.upsertFromWrite(thing("a", 16));
    expect(versions()).toEqual({});
  });

  test("a bookmark shows that the watch is past an answer", () => {
    const { cache, list, versions } = setup();
    list(10);
    cache.bookmark("", "30");
    cache.upsertFromWrite(thing("a", 20));
    expect(versions()).toEqual({});
  });

  test("an answer that was confirmed, or came before a list, gives way to the list when versions start over", () => {
    const { cache, list, versions } = setup();
    list(10, thing("a", 5));
    cache.upsertFromWrite(thing("a", 100));
    cache.upsertFromWrite(thing("b", 101));
    list(8, thing("a", 5));
    expect(versions()).toEqual({ a: "5" });
  });

  test("new objects that the selector does not select, and versions that are no numbers, are left to the watch", () => {
    const { cache, list, versions } = setup({ selects: (t) => t.metadata.labels?.mine === "yes" });
    list(10, thing("a", 5));
    cache.upsertFromWrite(thing("b", 15));
    cache.upsertFromWrite({
      ...thing("c", 1),
      metadata: { ...thing("c", 1).metadata, resourceVersion: "x15" },
    });
    const labelled = { ...thing("d", 16), metadata: { ...thing("d", 16).metadata, labels: { mine: "yes" } } };
    cache.upsertFromWrite(labelled);
    cache.upsertFromWrite(thing("a", 17));
    expect(versions()).toEqual({ a: "17", d: "16" });
  });
});
