import type { V1Lease } from "@kubernetes/client-node";
import { expect, test, vi } from "vitest";
import { KubeError } from "../../kube/client/kubeError.ts";
import type { Wire } from "../../kube/resources.ts";
import { NamespaceOwners } from "./owners.ts";

type Lease = Wire<V1Lease>;
type Handler = (key: string, before: Lease | undefined, after: Lease | undefined) => void;

const conflict = (reason: string) =>
  new KubeError({ method: "PATCH", path: "/", status: 409, reason, message: "changed" } as never);

/** One cluster's Leases, with the watches that see them. */
class Cluster {
  readonly leases = new Map<string, Lease>();
  readonly handlers: Handler[] = [];
  now = Date.parse("2026-03-01T12:00:00Z");
  /** Of each write. */
  refusal: KubeError | undefined;
  #version = 0;

  put(namespace: string, spec: object, labels?: object): Lease {
    const before = this.leases.get(namespace);
    const lease = {
      metadata: { name: "fairlead-owner", namespace, resourceVersion: String(++this.#version), labels },
      spec: { ...before?.spec, ...spec },
    } as Lease;
    this.leases.set(namespace, lease);
    this.#tell(namespace, before, lease);
    return lease;
  }

  delete(namespace: string): void {
    const before = this.leases.get(namespace);
    this.leases.delete(namespace);
    this.#tell(namespace, before, undefined);
  }

  release(name: string) {
    const ours: string[] = [];
    const unclaimed: string[] = [];
    const owners = new NamespaceOwners({
      client: {
        get: async (_: unknown, namespace: string) => this.leases.get(namespace),
        create: async (_: unknown, namespace: string, { spec }: Lease) => {
          if (this.refusal) throw this.refusal;
          if (this.leases.has(namespace)) throw conflict("AlreadyExists");
          return this.put(namespace, spec ?? {});
        },
        patch: async (_: unknown, namespace: string, _name: string, { metadata, spec }: Lease) => {
          if (this.leases.get(namespace)?.metadata?.resourceVersion !== metadata?.resourceVersion)
            throw conflict("Conflict");
          return this.put(namespace, spec ?? {});
        },
      } as never,
      leases: {
        get: (namespace: string) => this.leases.get(namespace),
        list: () => this.leases.values(),
        on: (_: string, handler: Handler) => this.handlers.push(handler),
        upsertFromWrite: () => undefined,
      } as never,
      config: { namespace: name, fullname: "fairlead" },
      clock: () => this.now,
      log: { info: () => undefined, warn: () => undefined },
      onOurs: (namespace) => ours.push(namespace),
      onUnclaimed: (namespace) => unclaimed.push(namespace),
    });
    return { owners, ours, unclaimed };
  }

  #tell(namespace: string, before: Lease | undefined, after: Lease | undefined): void {
    for (const handler of this.handlers) handler(`${namespace}/fairlead-owner`, before, after);
  }
}

const minutes = 60_000;
const eventually = (check: () => void) => vi.waitFor(check, { interval: 1 });

test("of releases that want a namespace at the same time one gets it, and the others say whose it is", async () => {
  const cluster = new Cluster();
  const releases = ["a", "b", "c"].map((name) => cluster.release(name));
  for (const { owners } of releases) owners.want("team");
  await eventually(() => expect(cluster.leases.size).toBe(1));
  for (const { owners } of releases) owners.want("team");
  const [winner, ...others] = releases.sort((x, y) => y.ours.length - x.ours.length);
  expect(winner?.ours).toEqual(["team"]);
  const owner = cluster.leases.get("team")?.spec?.holderIdentity;
  for (const { owners, ours } of others) {
    expect([ours, owners.isOurs("team"), owners.otherOwner("team")]).toEqual([[], false, owner]);
    expect(owners.refusals()[0]).toContain(`Namespace team belongs to the Fairlead release ${owner}`);
    await expect(owners.verify("team")).rejects.toThrow("does nothing in it");
  }
  await winner?.owners.verify("team");
});

test("a claim that is renewed stays, and one that is not is free after fifteen minutes", async () => {
  const cluster = new Cluster();
  const [first, second] = [cluster.release("a"), cluster.release("b")];
  first.owners.want("team");
  await eventually(() => expect(first.ours).toEqual(["team"]));
  for (let round = 0; round < 6; round++) {
    cluster.now += 5 * minutes;
    await first.owners.keep([]);
    await second.owners.keep(["team"]);
  }
  expect(second.owners.refusals()).toHaveLength(1);
  // The first release was uninstalled.
  cluster.now += 15 * minutes;
  await second.owners.keep([]);
  await eventually(() => expect(second.ours).toEqual(["team"]));
  expect([first.owners.isOurs("team"), second.owners.refusals()]).toEqual([false, []]);
});

test("a release that was refused takes the namespace as soon as its claim is deleted", async () => {
  const cluster = new Cluster();
  cluster.put("team", { holderIdentity: "gone/fairlead", renewTime: new Date(cluster.now).toISOString() });
  const { owners, ours } = cluster.release("b");
  owners.want("team");
  expect(owners.refusals()).toHaveLength(1);
  cluster.delete("team");
  await eventually(() => expect(ours).toEqual(["team"]));
});

test("Events in a namespace of another release are few", () => {
  const cluster = new Cluster();
  cluster.put("team", { holderIdentity: "a/fairlead", renewTime: new Date(cluster.now).toISOString() });
  const { owners } = cluster.release("b");
  const events = Array.from({ length: 100 }, () => owners.refusalEvent("team")).filter(Boolean);
  expect(events).toHaveLength(10);
  expect(events[0]).toMatchObject({ type: "Warning", reason: "NamespaceNotOwned" });
  expect(owners.refusalEvent("other")).toBeUndefined();
});

test("a namespace that cannot be claimed is told, once at once and to whom comes later, and tried again", async () => {
  const cluster = new Cluster();
  const { owners, ours, unclaimed } = cluster.release("a");
  cluster.refusal = new KubeError({
    ...{ method: "POST", path: "/leases", status: 403, reason: "Forbidden", message: "no right" },
  });
  owners.want("team");
  await eventually(() => expect(unclaimed).toEqual(["team"]));
  await owners.keep([]);
  await eventually(() => expect(owners.refusals()).toEqual([expect.stringContaining("no right")]));
  expect(unclaimed).toEqual(["team"]);
  expect(owners.refusalEvent("team")).toMatchObject({ type: "Warning", reason: "NamespaceNotClaimed" });
  cluster.refusal = undefined;
  // The try before may be under way still.
  await vi.waitFor(
    async () => {
      await owners.keep([]);
      expect(ours).toEqual(["team"]);
    },
    { interval: 1 },
  );
  expect([owners.refusals(), owners.refusalEvent("team")]).toEqual([[], undefined]);
});
