/**
 * Keeps an ObjectCache equal to what the API server has, for one namespace or for all. One loop, never two:
 *
 *   list ─► watch ─(time limit, lost connection, silence)─► watch from the same resourceVersion
 *     ▲       └────(410 Expired, any other failure)─┐
 *     └──────────── jittered backoff ◄──────────────┘
 *
 * The resourceVersion is the newest one that the watch has brought, bookmarks included, so that it does not
 * expire while nothing changes. A watch that is silent for longer than the time between bookmarks is dead,
 * and is replaced.
 */
import type { Logger } from "pino";
import { pause } from "../../lib/time.ts";
import type { KubeClient } from "../client/client.ts";
import { KubeError } from "../client/client.ts";
import type { KubeObject, Resource } from "../resources.ts";
import type { ObjectCache } from "./objectCache.ts";

/** The part of the client that a reflector needs. */
export type Source = Pick<KubeClient, "list" | "watch">;

export interface ReflectorOptions {
  labelSelector?: string;
  fieldSelector?: string;
  /** Objects a page of a list: fewer where objects are big, since a whole page is in memory. Default 500. */
  pageSize?: number;
  /** How long one watch lasts, ± 20 %. Default 300. */
  watchSeconds?: number;
  /** Default 100,000: bookmarks come about every minute. */
  idleTimeoutMs?: number;
  /** Pause after the first failure; doubles up to maxBackoffMs. Defaults 500 and 30,000. */
  backoffMs?: number;
  maxBackoffMs?: number;
  log: Logger;
}

/** A watch that ended sooner than this without an event made no progress: the next one waits. */
const fruitlessMs = 1_000;

export class Reflector<T extends KubeObject> {
  readonly #source: Source;
  readonly #resource: Resource<T>;
  readonly #scope: string;
  readonly #cache: ObjectCache<T>;
  readonly #options: ReflectorOptions;
  #synced = false;
  #lastActivityAt = 0;
  #failures = 0;
  /** To watch from; undefined: list first. */
  #resourceVersion: string | undefined;

  /** `scope`: a namespace, "" for all. */
  constructor(
    source: Source,
    resource: Resource<T>,
    scope: string,
    cache: ObjectCache<T>,
    options: ReflectorOptions,
  ) {
    this.#source = source;
    this.#resource = resource;
    this.#scope = scope;
    this.#cache = cache;
    this.#options = options;
  }

  /** The first list is in the cache. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Milliseconds since the epoch: when the API server last answered or sent anything. */
  get lastActivityAt(): number {
    return this.#lastActivityAt;
  }

  /** Until the signal is aborted. Never throws. `onSynced` is called once. */
  async run(signal: AbortSignal, onSynced: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) {
          this.#resourceVersion = await this.#list(signal);
          if (!this.#synced) {
            this.#synced = true;
            onSynced();
          }
        }
        if (await this.#watch(this.#resourceVersion, signal)) continue;
        this.#failures += 1;
      } catch (error) {
        if (signal.aborted) return;
        this.#onFailure(error);
      }
      await pause(this.#pauseMs(), signal);
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { labelSelector, fieldSelector, pageSize = 500 } = this.#options;
    const namespace = this.#scope || undefined;
    const pass = this.#cache.beginList(this.#scope);
    let next: string | undefined;
    for (;;) {
      const page = await this.#source.list(this.#resource, namespace, {
        labelSelector,
        fieldSelector,
        limit: pageSize,
        continue: next,
        signal,
      });
      this.#markActivity();
      for (const item of page.items) pass.add(item);
      next = page.metadata.continue || undefined;
      if (next) continue;
      const { resourceVersion } = page.metadata;
      if (!resourceVersion) throw new Error(`the list of ${this.#resource.plural} has no resourceVersion`);
      pass.finish(resourceVersion);
      return resourceVersion;
    }
  }

  /** Whether the watch made progress. */
  async #watch(resourceVersion: string, signal: AbortSignal): Promise<boolean> {
    const { labelSelector, fieldSelector, watchSeconds = 300, idleTimeoutMs = 100_000 } = this.#options;
    const begun = performance.now();
    let progressed = false;
    try {
      const events = this.#source.watch(this.#resource, this.#scope || undefined, {
        resourceVersion,
        labelSelector,
        fieldSelector,
        timeoutSeconds: Math.ceil(watchSeconds * (0.8 + 0.4 * Math.random())),
        idleTimeoutMs,
        onOpen: () => this.#markActivity(),
        signal,
      });
      for await (const { type, object } of events) {
        this.#markActivity();
        progressed = true;
        this.#failures = 0;
        if (type === "BOOKMARK") this.#cache.bookmark(this.#scope, object.metadata?.resourceVersion);
        else this.#cache.applyEvent(this.#scope, type, object);
        this.#resourceVersion = object.metadata?.resourceVersion ?? this.#resourceVersion;
      }
    } catch (error) {
      if (!KubeError.is(error, "RequestTimeout")) throw error;
      this.#options.log.debug(
        { resource: this.#resource.plural },
        "a watch was silent for too long and is replaced",
      );
    }
    if (performance.now() - begun < fruitlessMs) return progressed;
    this.#failures = 0;
    return true;
  }

  #onFailure(error: unknown): void {
    this.#failures += 1;
    if (this.#resourceVersion !== undefined && !keepsVersion(error)) this.#resourceVersion = undefined;
    const context = {
      err: error,
      resource: this.#resource.plural,
      namespace: this.#scope || undefined,
      failures: this.#failures,
    };
    if (KubeError.isExpired(error)) this.#options.log.info(context, "a watch expired; listing again");
    else this.#options.log.warn(context, "a list or watch failed; trying again");
  }

  #pauseMs(): number {
    const { backoffMs = 500, maxBackoffMs = 30_000 } = this.#options;
    const full = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(20, this.#failures - 1));
    return full * (0.5 + Math.random() / 2);
  }

  #markActivity(): void {
    this.#lastActivityAt = Date.now();
  }
}

/** The connection or the API server as a whole failed: the watch continues where it was. */
function keepsVersion(error: unknown): boolean {
  return error instanceof KubeError && [0, 401, 429, 500, 502, 503].includes(error.status);
}
