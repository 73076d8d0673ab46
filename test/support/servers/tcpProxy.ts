/** A TCP proxy, by default in front of the API server: counts connections, and can cut or freeze them. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { KubeConfig } from "@kubernetes/client-node";
import { type ClientOptions, KubeClient } from "../../../operator/src/kube/client/client.ts";
import { clusterConfig } from "../scratchNamespace.ts";

export class TcpProxy {
  readonly #sockets = new Set<Socket>();
  readonly #server;
  /** Connections accepted since the start. */
  accepted = 0;
  /** The most connections at the same time. */
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

  static async open(target = apiServer()): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  /** On 127.0.0.1. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get open(): number {
    return Math.ceil(this.#sockets.size / 2);
  }

  /** The cluster's configuration, with its server at the proxy's near end. */
  config(): KubeConfig {
    const config = clusterConfig();
    const cluster = config.getCurrentCluster();
    if (!cluster) throw new Error("the kubeconfig has no current context");
    // Its certificate is for another name.
    const near = { ...cluster, server: `https://127.0.0.1:${this.port}`, skipTLSVerify: true };
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

  /** Keeps every connection open and forwards nothing more, as after a loss of power. New ones work. */
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

function apiServer(): { host: string; port: number } {
  const { hostname, port } = new URL(clusterConfig().getCurrentCluster()?.server ?? "");
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 443) };
}
