/**
 * Requests to the Kubernetes API server.
 *
 * A failure is a KubeError that names method and path; a 404 is an answer (undefined, false) where an object
 * may be missing. Everything but a stream ends within the request timeout. Only what is safe is repeated: a
 * request that was answered 429 with Retry-After, which did nothing, and a read whose connection failed.
 */
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { KubeConfig } from "@kubernetes/client-node";
import type { JSONWebKeySet } from "jose";
import { parseExact } from "../../lib/exactJson.ts";
import type { Gate } from "../../lib/fairGate.ts";
import { splitLines } from "../../lib/splitLines.ts";
import { type WriteHook, withHook } from "../../lib/writeHook.ts";
import {
  apiVersionOf,
  type KubeList,
  type KubeObject,
  type NewObject,
  Pods,
  type Resource,
  resourcePath,
} from "../resources.ts";
import { Connection, configFromEnvironment } from "./connection.ts";
import { errorFromStatus, KubeError, type StatusObject } from "./kubeError.ts";
import { type CallOptions, failureOf, type Request, Transport } from "./transport.ts";

export { KubeError } from "./kubeError.ts";
export type { CallOptions } from "./transport.ts";

export interface ClientOptions {
  /** Called around every create, replace, patch and delete. */
  onWrite?: WriteHook;
  /** At most so many connections for requests; each watch and log stream has its own besides. Default 64. */
  connections?: number;
  /** Default 30 s. */
  requestTimeoutMs?: number;
  /** Requests about something in a namespace take turns there, watches and log streams apart. */
  gate?: Gate;
}

export interface ListOptions extends CallOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  /** Absent: a consistent read of the newest state. "0": whatever the API server has at hand. */
  resourceVersion?: string;
  /** Objects without spec and status. */
  metadataOnly?: boolean;
}

export interface WatchOptions {
  /** The watch begins after this version. */
  resourceVersion: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** The API server ends the watch after this time. */
  timeoutSeconds: number;
  /**
   * Fails when nothing came for so long, not even a bookmark, of which the API server sends one about every
   * minute.
   */
  idleTimeoutMs?: number;
  /** Called when the API server has accepted the watch, before any event. */
  onOpen?: () => void;
  signal: AbortSignal;
}

type WatchEvent<T> = { type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; object: T };

export interface DeleteOptions extends CallOptions {
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
  /** Preconditions: otherwise a Conflict. */
  uid?: string;
  resourceVersion?: string;
  gracePeriodSeconds?: number;
}

interface PatchOptions extends CallOptions {
  type: "merge" | "json" | "apply";
  subresource?: string;
  /** Needed by `apply`; default "fairlead". */
  fieldManager?: string;
  /** Only for `apply`: takes fields from other managers. */
  force?: boolean;
  /** Only says whether it would be accepted. */
  dryRun?: boolean;
}

interface LogOptions {
  container?: string;
  limitBytes?: number;
  tailLines?: number;
  timestamps?: boolean;
  /** Until the container ends. */
  follow?: boolean;
  signal?: AbortSignal;
}

const pageSize = 500;
/** Longest line of a watch: more than etcd can hold in one object. */
const maxEventBytes = 32 * 1024 * 1024;
const json = "application/json";
const metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const patchTypes = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  apply: "application/apply-patch+yaml",
};

export class KubeClient {
  readonly #connection: Connection;
  readonly #onWrite: WriteHook | undefined;
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #gate: Gate | undefined;

  constructor(config: KubeConfig, options: ClientOptions = {}) {
    this.#connection = new Connection(config, options.connections ?? 64);
    this.#onWrite = options.onWrite;
    this.#gate = options.gate;
    this.#timeoutMs = options.requestTimeoutMs ?? 30_000;
    this.#transport = new Transport(this.#connection, this.#timeoutMs);
  }

  /** KUBECONFIG, then ~/.kube/config, then the pod's service account. */
  static fromEnvironment(options?: ClientOptions): KubeClient {
    return new KubeClient(configFromEnvironment(), options);
  }

  /** Undefined when there is no such object. An unknown kind (its CRD is missing) is an error. */
  async get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    const path = resourcePath(resource, namespace, name);
    return unlessNotFound(this.#ask<T>(namespace, { method: "GET", path }, options));
  }

  /** One page. Fills in apiVersion and kind, which the API server omits for its own kinds. */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    options: ListOptions = {},
  ): Promise<KubeList<T>> {
    const { signal, timeoutMs, metadataOnly, ...query } = options;
    const path = resourcePath(resource, namespace);
    const accept = metadataOnly ? metadataList : undefined;
    const list = await this.#ask<{ metadata?: KubeList<T>["metadata"]; items?: T[] | null }>(
      namespace,
      { method: "GET", path, query, accept },
      { signal, timeoutMs },
    );
    const items = list.items ?? [];
    for (const item of items) {
      // What they are called when they come without the rest.
      if (metadataOnly) Object.assign(item, { apiVersion: undefined, kind: undefined });
      item.apiVersion ??= apiVersionOf(resource);
      item.kind ??= resource.kind;
    }
    return { metadata: list.metadata ?? {}, items };
  }

  /**
   * All objects as they were at one moment, page by page. Throws `Expired` when the reader is so slow
   * (minutes) that the API server has forgotten that moment: begin again.
   */
  async *listAll<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    options: Omit<ListOptions, "continue" | "resourceVersion"> = {},
  ): AsyncGenerator<T, void, undefined> {
    let next: string | undefined;
    do {
      const page = await this.list(resource, namespace, { limit: pageSize, ...options, continue: next });
      yield* page.items;
      next = page.metadata.continue || undefined;
    } while (next);
  }

  async create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    object: NewObject<T>,
    options: CallOptions & { fieldManager?: string; dryRun?: boolean } = {},
  ): Promise<T> {
    if (resource.namespaced && namespace === undefined) {
      throw new TypeError(`create a ${resource.kind}: a namespace is needed`);
    }
    const path = resourcePath(resource, namespace);
    const query = { fieldManager: options.fieldManager, dryRun: options.dryRun ? "All" : undefined };
    const name = object.metadata?.name ?? `${object.metadata?.generateName}*`;
    return this.#write("create", resource, namespace, name, () =>
      this.#ask<T>(
        namespace,
        { method: "POST", path, query, contentType: json, body: JSON.stringify(object) },
        options,
      ),
    );
  }

  /**
   * With a resourceVersion in the object this is compare-and-swap: a Conflict when the object has changed.
   */
  async replace<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
    object: T,
    options: CallOptions & { subresource?: string; fieldManager?: string } = {},
  ): Promise<T> {
    const path = resourcePath(resource, namespace, name, options.subresource);
    const query = { fieldManager: options.fieldManager };
    return this.#write("replace", resource, namespace, slash(name, options.subresource), () =>
      this.#ask<T>(
        namespace,
        { method: "PUT", path, query, contentType: json, body: JSON.stringify(object) },
        options,
      ),
    );
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T> {
    const { type, subresource } = options;
    const path = resourcePath(resource, namespace, name, subresource);
    const apply = type === "apply";
    const fieldManager = options.fieldManager ?? (apply ? "fairlead" : undefined);
    const query = {
      fieldManager,
      force: apply && options.force ? true : undefined,
      dryRun: options.dryRun ? "All" : undefined,
    };
    const body = JSON.stringify(patch);
    return this.#write(
      type === "apply" ? "apply" : "patch",
      resource,
      namespace,
      slash(name, subresource),
      () =>
        this.#ask<T>(
          namespace,
          { method: "PATCH", path, query, contentType: patchTypes[type], body },
          options,
        ),
    );
  }

  /**
   * False when there is no such object. True: accepted; finalizers or a grace period may keep it for a while.
   */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    const path = resourcePath(resource, namespace, name);
    const { propagationPolicy, gracePeriodSeconds, uid, resourceVersion } = options;
    const preconditions = uid || resourceVersion ? { uid, resourceVersion } : undefined;
    const body = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      propagationPolicy,
      gracePeriodSeconds,
      preconditions,
    };
    const done = await this.#write("delete", resource, namespace, name, () =>
      unlessNotFound(
        this.#ask<object>(
          namespace,
          { method: "DELETE", path, contentType: json, body: JSON.stringify(body) },
          options,
        ),
      ),
    );
    return done !== undefined;
  }

  /**
   * Changes as they come, bookmarks included, until the API server ends the watch. Throws the KubeError of an
   * ERROR event (`Expired`: list again), and the signal's reason when it is aborted.
   */
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { signal, idleTimeoutMs, onOpen, ...selection } = options;
    const request: Request = {
      method: "GET",
      path: resourcePath(resource, namespace),
      query: { ...selection, watch: true, allowWatchBookmarks: true },
    };
    try {
      const body = await this.#transport.stream(request, signal, idleTimeoutMs ?? 0);
      onOpen?.();
      for await (const line of splitLines(body, maxEventBytes)) {
        const event = parseExact(line) as WatchEvent<T> | { type: "ERROR"; object: StatusObject };
        if (event.type === "ERROR") {
          throw errorFromStatus(request, event.object);
        }
        yield event;
      }
    } catch (error) {
      throw failureOf(error, request, signal);
    }
  }

  async podLog(
    namespace: string,
    pod: string,
    options: LogOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const { signal, ...query } = options;
    const request: Request = { method: "GET", path: resourcePath(Pods, namespace, pod, "log"), query };
    const body = await this.#transport.stream(request, signal, this.#timeoutMs);
    return Readable.toWeb(body) as ReadableStream<Uint8Array>;
  }

  /** The public keys of the cluster's service account tokens. */
  serviceAccountKeys(): Promise<JSONWebKeySet> {
    return this.#transport.json({
      method: "GET",
      path: "/openid/v1/jwks",
      accept: "application/jwk-set+json",
    });
  }

  /** Aborts all requests and streams, and closes the connections. */
  async close(): Promise<void> {
    await this.#connection.close();
  }

  #ask<R>(namespace: string | undefined, request: Request, options: CallOptions): Promise<R> {
    const ask = (): Promise<R> => this.#transport.json<R>(request, options);
    return this.#gate && namespace !== undefined ? this.#gate.run(namespace, ask) : ask();
  }

  async #write<R>(
    verb: string,
    resource: Resource<KubeObject>,
    namespace: string | undefined,
    name: string,
    send: () => Promise<R>,
  ): Promise<R> {
    return withHook(this.#onWrite, `${verb} ${resource.kind} ${slash(namespace ?? "", name)}`, send);
  }
}

async function unlessNotFound<R>(answer: Promise<R>): Promise<R | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (KubeError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

const slash = (left: string, right: string | undefined): string =>
  left && right ? `${left}/${right}` : left || right || "";
