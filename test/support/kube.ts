/**
 * What these tests share: the cluster of FAIRLEAD_KUBECONFIG or KUBECONFIG, a namespace of their own on it, and a
 * way there that counts connections and can cut them.
 */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { KubeConfig, type V1ConfigMap } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { type ClientOptions, KubeClient } from "../../operator/src/kube/client/client.ts";
import { type KubeObject, Namespaces, type Resource } from "../../operator/src/kube/resources.ts";

export const ConfigMaps: Resource<V1ConfigMap> = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

export const quiet = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;

export function clusterConfig(): KubeConfig {
  const file = process.env.FAIRLEAD_KUBECONFIG || process.env.KUBECONFIG;
  if (!file) {
    throw new Error("set KUBECONFIG to a cluster for these tests, or run `npm test`, which starts one");
  }
  const config = new KubeConfig();
  config.loadFromFile(file);
  return config;
}

export interface TestNamespace {
  name: string;
  client: KubeClient;
  remove(): Promise<void>;
}

export async function testNamespace(purpose: string): Promise<TestNamespace> {
  const client = new KubeClient(clusterConfig());
  const name = `fairlead-test-${purpose}-${randomBytes(4).toString("hex")}`;
  await client.create(Namespaces, undefined, { metadata: { name } });
  return {
    name,
    client,
    remove: async () => {
      await client.delete(Namespaces, undefined, name);
      await client.close();
    },
  };
}

export function configMap(name: string, data: Record<string, string> = {}): V1ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { suite: "kube" } }, data };
}

export const Definitions: Resource<KubeObject> = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

/** A kind that the API server has known since now: every version from before is too old for a watch of it. */
export async function newKind(
  client: KubeClient,
): Promise<{ resource: Resource<V1ConfigMap>; remove: () => Promise<void> }> {
  const group = `${randomBytes(4).toString("hex")}.test.fairlead.dev`;
  const names = { kind: "Thing", listKind: "ThingList", plural: "things", singular: "thing" };
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names,
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
  await client.create(Definitions, undefined, definition);
  const resource = { group, version: "v1", plural: "things", kind: "Thing", namespaced: true };
  await until("the new kind is served", () =>
    client.list(resource, undefined).then(
      () => true,
      () => false,
    ),
  );
  return {
    resource,
    remove: async () => {
      await client.delete(Definitions, undefined, definition.metadata.name);
    },
  };
}

/** A TCP proxy to the API server. */
export class Wire {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  /** Connections since the start. */
  accepted = 0;
  /** The most at once. */
  most = 0;
  cuts = 0;

  private constructor(target: { host: string; port: number }) {
    this.#server = createServer((near) => {
      this.accepted += 1;
      const far = connect(target);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.setNoDelay(true);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
      this.most = Math.max(this.most, this.open);
    });
  }

  static async open(): Promise<Wire> {
    const { hostname, port } = new URL(clusterConfig().getCurrentCluster()?.server ?? "");
    const wire = new Wire({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 443) });
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  get open(): number {
    return Math.ceil(this.#sockets.size / 2);
  }

  /** The cluster's configuration, with its server at the proxy's near end. */
  config(): KubeConfig {
    const config = clusterConfig();
    const cluster = config.getCurrentCluster();
    if (!cluster) throw new Error("the kubeconfig has no current context");
    const { port } = this.#server.address() as AddressInfo;
    // Its certificate is for another name.
    const near = { ...cluster, server: `https://127.0.0.1:${port}`, skipTLSVerify: true };
    config.clusters = config.clusters.map((c) => (c.name === cluster.name ? near : c));
    return config;
  }

  client(options?: ClientOptions): KubeClient {
    return new KubeClient(this.config(), options);
  }

  /** Resets every connection. */
  cut(): void {
    this.cuts += 1;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Everything keeps its connection, and hears nothing any more. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Runs the tasks, so many at once. */
export async function inParallel(
  count: number,
  atOnce: number,
  task: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  withinMs = 20_000,
): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
