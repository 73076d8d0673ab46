/** The API's routers in this process, with a real API server and a real bucket, and without a controller. */

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { Logger } from "pino";
import { ApiKeys } from "../../../operator/src/api/auth/apiKeys.ts";
import { newGates } from "../../../operator/src/api/http/gates.ts";
import { Links } from "../../../operator/src/api/packets.ts";
import { AttemptIdentity } from "../../../operator/src/api/runner/attemptIdentity.ts";
import { ClusterKeys } from "../../../operator/src/api/runner/clusterKeys.ts";
import { RunReader } from "../../../operator/src/api/runs/reader.ts";
import { type ApiLimits, apiRouter } from "../../../operator/src/api/server.ts";
import { Waits } from "../../../operator/src/api/waits/waits.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { Secrets } from "../../../operator/src/kube/resources.ts";
import { RunTokens } from "../../../operator/src/runs/runToken.ts";
import type { Bucket } from "../../../operator/src/storage/bucket.ts";
import { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { quiet } from "../quiet.ts";
import { ApiServer } from "./apiServer.ts";
import { ObjectStoreServer } from "./objectStoreServer.ts";
import { accountOf, installOwnRights } from "./ownRights.ts";

export const key = "tr_prod_integration0123456789abcdefghijkl";
export const namespace = "default";
const keySecrets = { first: "fairlead-api-key", others: "fairlead-api-keys" };
const bodyBytes = 24 * 1024 * 1024;

interface ReplicaOptions {
  /** Of each request to the bucket. */
  storeTimeoutMs?: number;
}

export class ApiReplica {
  readonly client: KubeClient;
  /** The replica's, with the rights of its service account. */
  readonly own: KubeClient;
  /** What the store is of. */
  readonly bucket: Bucket;
  readonly store: ObjectStore;
  readonly #servers: { stop(): Promise<void> }[];
  readonly #stop = new AbortController();
  readonly #gates = newGates();
  /** Of the next replica. */
  log: Logger = quiet;
  /** Milliseconds since the epoch. */
  clock: () => number = Date.now;
  #http: Server | undefined;
  /** Kept by the next replica. */
  #port = 0;

  private constructor(servers: [ApiServer, ObjectStoreServer], options: ReplicaOptions) {
    this.#servers = servers;
    this.client = servers[0].client();
    this.own = servers[0].client({ gate: this.#gates.cluster }, accountOf(namespace, "api"));
    this.bucket = servers[1].bucket({ timeoutMs: options.storeTimeoutMs });
    this.store = new ObjectStore(this.bucket, "test.installation", { gate: this.#gates.bucket });
  }

  static async start(options: ReplicaOptions = {}): Promise<ApiReplica> {
    const api = new ApiReplica(await Promise.all([ApiServer.start(), ObjectStoreServer.start()]), options);
    await installOwnRights(api.client, namespace);
    await api.client.create(Secrets, namespace, {
      metadata: { name: keySecrets.first },
      stringData: { key, namespace },
    });
    await api.client.create(Secrets, namespace, { metadata: { name: keySecrets.others } });
    await api.listen();
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * Adds or changes the key with this name, `<namespace>.<name>`; known to the replica a moment later.
   * `fields`: `key`, and others of operator/src/api/auth/apiKey.ts.
   */
  setKey(name: string, { key: text, ...fields }: Record<string, string>): Promise<unknown> {
    const others = Object.entries(fields).map(([field, value]) => [`${name}.${field}`, value]);
    return this.#patchKeys({ stringData: { ...(text && { [name]: text }), ...Object.fromEntries(others) } });
  }

  removeKey(name: string): Promise<unknown> {
    return this.#patchKeys({ data: { [name]: null } });
  }

  #patchKeys(patch: object): Promise<unknown> {
    return this.client.patch(Secrets, namespace, keySecrets.others, patch, { type: "merge" });
  }

  /** Starts a new replica, which shares no memory with the previous one. */
  async listen(limits: ApiLimits = { bodyBytes, rate: { perSecond: 0, burst: 1 } }): Promise<void> {
    const { own: client, store } = this;
    const { signal } = this.#stop;
    const keys = new ApiKeys(client, { namespace, ...keySecrets, log: this.log });
    const reader = new RunReader(client, store, [], quiet, this.#gates.lists);
    const links = new Links(store, "signing-key", false);
    const waits = new Waits(client, { namespaces: [], signingKey: "signing-key", log: quiet });
    await Promise.all([keys.start(signal), reader.start(signal), waits.start(signal)]);
    const tokens = new RunTokens("signing-key");
    const deps = {
      client,
      store,
      keys,
      reader,
      waits,
      links,
      limits,
      release: "test/fairlead",
      tokens,
      identity: new AttemptIdentity({ client, tokens, clusterKeys: new ClusterKeys(client, Date.now) }),
      log: this.log,
      clock: () => this.clock(),
      random: Math.random,
    };
    this.#http = express().use(apiRouter(deps)).listen(this.#port, "127.0.0.1");
    await once(this.#http, "listening");
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Cuts every connection, also in the middle of a request. */
  async kill(): Promise<void> {
    const http = this.#http;
    this.#http = undefined;
    if (!http) return;
    const closed = once(http, "close");
    http.close();
    http.closeAllConnections();
    await closed;
  }

  fetch(path: string, init: RequestInit & { duplex?: "half" } = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", ...init.headers };
    return fetch(this.url + path, { ...init, headers });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.kill();
    await Promise.all([this.client, this.own].map((client) => client.close()));
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}
