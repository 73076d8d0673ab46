/**
 * The connection to the API server: address, credentials, pooled sockets.
 *
 * The client library reads the kubeconfig and in-cluster files, runs exec plugins and refreshes tokens. Its
 * connections are not used: it makes a dispatcher for every request, which costs a TLS handshake and leaves a
 * socket behind. Here one dispatcher serves all requests over a bounded number of connections, and another
 * one the streams (watches, logs), so that streams do not starve requests. Both are replaced when the TLS
 * material changes (CA rotation, client certificates of an exec plugin), and when an answer is overdue: the
 * API server's node may be gone, and its connections would stay open, each of them costing a request.
 */
import { createHash } from "node:crypto";
import type { AgentOptions, RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent } from "undici";

/** Headers and TLS material are read again after this time. The library re-reads its files once a minute. */
const accessLifetimeMs = 10_000;
/** Idle connections are closed after this time, before the API server would close them (90 s). */
const keepAliveMs = 60_000;
const connectTimeoutMs = 10_000;
/** An API server that is only slow keeps its connections for so long. */
const suspectIntervalMs = 10_000;

export interface Access {
  headers: Readonly<Record<string, string>>;
  requests: Dispatcher;
  streams: Dispatcher;
}

export class Connection {
  readonly origin: string;
  /** Path prefix of the API server, without a slash at the end; usually empty. */
  readonly prefix: string;
  readonly #config: KubeConfig;
  readonly #connections: number;
  #access?: Access;
  #accessUntil = 0;
  #refreshing?: Promise<Access>;
  #tlsDigest?: string;
  #suspectedAt = Number.NEGATIVE_INFINITY;

  constructor(config: KubeConfig, connections: number) {
    const server = config.getCurrentCluster()?.server;
    if (!server)
      throw new Error("the kubeconfig has no current context, or it names a cluster that is not there");
    const url = new URL(server);
    this.origin = url.origin;
    this.prefix = url.pathname.replace(/\/+$/, "");
    this.#config = config;
    this.#connections = connections;
  }

  /** Headers and dispatchers for the next request. */
  access(): Promise<Access> {
    if (this.#access && performance.now() < this.#accessUntil) return Promise.resolve(this.#access);
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * No answer came over this access in time: the next request takes new connections. Requests that are
   * under way keep theirs; streams end, and are opened again by those who read them.
   */
  suspect(access: Access): void {
    const now = performance.now();
    if (access.requests !== this.#access?.requests || now - this.#suspectedAt < suspectIntervalMs) return;
    this.#suspectedAt = now;
    this.#access = undefined;
    this.#tlsDigest = undefined;
    access.requests.close().catch(() => undefined);
    access.streams.destroy().catch(() => undefined);
  }

  /** Ends all requests and streams, and closes the connections. */
  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    this.#tlsDigest = undefined;
    await Promise.all([access?.requests.destroy(), access?.streams.destroy()]);
  }

  async #refresh(): Promise<Access> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = { "user-agent": "fairlead", accept: "application/json" };
    for (const [name, value] of Object.entries(options.headers ?? {}))
      headers[name.toLowerCase()] = String(value);
    if (options.auth) headers.authorization = `Basic ${Buffer.from(options.auth).toString("base64")}`;
    const digest = tlsDigest(options);
    const before = this.#access;
    if (before && digest === this.#tlsDigest) this.#access = { ...before, headers };
    else {
      this.#access = {
        headers,
        requests: this.#dispatcher(options, this.#connections),
        streams: this.#dispatcher(options),
      };
      this.#tlsDigest = digest;
      // Requests and watches that are open end by themselves, within their time limits.
      before?.requests.close().catch(() => undefined);
      before?.streams.close().catch(() => undefined);
    }
    this.#accessUntil = performance.now() + accessLifetimeMs;
    return this.#access;
  }

  #dispatcher(options: RequestOptions, connections?: number): Dispatcher {
    const wanted = this.#config.createDispatcherOptions(
      this.#config.getCurrentCluster(),
      options as AgentOptions,
    );
    // HTTP/1.1: one request or watch a connection, so that none waits for another one's packets.
    const shared = {
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      connections,
    };
    switch (wanted.type) {
      case "agent":
        return new Agent({ ...shared, connect: { ...wanted.connect, timeout: connectTimeoutMs } });
      case "proxy":
        return new ProxyAgent({
          ...shared,
          uri: wanted.uri,
          requestTls: wanted.requestTls,
          connect: wanted.connect,
        });
      case "none":
        return new Agent({ ...shared, connect: { timeout: connectTimeoutMs } });
      case "socks":
        throw new Error("a SOCKS proxy-url in the kubeconfig is not supported: use an HTTP proxy or none");
    }
  }
}

/** KUBECONFIG, then ~/.kube/config, then the pod's service account. */
export function configFromEnvironment(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  if (config.getCurrentCluster()?.server === "http://localhost:8080") {
    throw new Error("no Kubernetes found: set KUBECONFIG, or run in a pod with a service account token");
  }
  return config;
}

function tlsDigest(options: RequestOptions): string {
  const hash = createHash("sha256");
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized } = options;
  for (const part of [ca, cert, key, pfx, passphrase, servername, rejectUnauthorized]) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part));
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex");
}
