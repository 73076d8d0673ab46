/**
 * A live copy of one kind: all namespaces, one, or several, each with a list and watch of its own behind the
 * same object. Readers share the objects and must not change them; they lack managedFields and the
 * last-applied annotation, so they are no base for `replace` of a whole object (status subresources are
 * fine).
 */
import type { Logger } from "pino";
import { type KubeObject, objectKey, type Resource } from "../resources.ts";
import { matchesLabels } from "./labelSelector.ts";
import { type ChangeHandler, ObjectCache } from "./objectCache.ts";
import { Reflector, type ReflectorOptions, type Source } from "./reflector.ts";

export interface InformerOptions<T> extends ReflectorOptions {
  namespace?: string;
  /** Several namespaces; empty or absent for all. */
  namespaces?: readonly string[];
  /** Applied to every object on its way in, more than once to some: must be idempotent. */
  transform?: (object: T) => T;
  log: Logger;
}

export class Informer<T extends KubeObject> {
  readonly #cache: ObjectCache<T>;
  readonly #reflectors: Reflector<T>[];
  #started: Promise<void> | undefined;

  constructor(client: Source, resource: Resource<T>, options: InformerOptions<T>) {
    const { namespace, namespaces, transform, labelSelector, fieldSelector, log } = options;
    this.#cache = new ObjectCache<T>({
      transform,
      log,
      selects: (object) =>
        fieldSelector === undefined && matchesLabels(labelSelector, object.metadata?.labels),
    });
    const several = namespaces?.length ? [...new Set(namespaces)] : [namespace ?? ""];
    const scopes = resource.namespaced ? several : [""];
    this.#reflectors = scopes.map((scope) => new Reflector(client, resource, scope, this.#cache, options));
  }

  /**
   * Lists and watches until the signal is aborted. Resolves when all is listed; rejects when aborted before
   * that.
   */
  start(signal: AbortSignal): Promise<void> {
    this.#started ??= new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      const onSynced = (): void => {
        if (!this.synced) return;
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      for (const reflector of this.#reflectors) void reflector.run(signal, onSynced);
    });
    return this.#started;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#cache.get(objectKey(namespace, name));
  }

  list(): Iterable<T> {
    return this.#cache.values();
  }

  get size(): number {
    return this.#cache.size;
  }

  /**
   * Called for every change with the object's key (`namespace/name`), before and after; either is undefined
   * for a new or deleted one. Different uids mean that it was replaced. Also called for what is listed at
   * first. Returns a function that ends it.
   */
  on(_event: "change", handler: ChangeHandler<T>): () => void {
    return this.#cache.onChange(handler);
  }

  addIndex(name: string, of: (object: T) => readonly string[]): void {
    this.#cache.addIndex(name, of);
  }

  byIndex(name: string, value: string): T[] {
    return this.#cache.byIndex(name, value);
  }

  countByIndex(name: string, value: string): number {
    return this.#cache.countByIndex(name, value);
  }

  /**
   * Puts the API server's answer to a write into the cache, so that the next read sees it. Ignored when the
   * watch is past it; an older event does not undo it, a deletion does. Not for answers to dry runs.
   */
  upsertFromWrite(object: T): void {
    this.#cache.upsertFromWrite(object);
  }

  get synced(): boolean {
    return this.#reflectors.every((reflector) => reflector.synced);
  }

  /**
   * Milliseconds since the epoch: when the quietest of the watches was last active; 0 before the first
   * answer.
   */
  get lastActivityAt(): number {
    return Math.min(...this.#reflectors.map((reflector) => reflector.lastActivityAt));
  }
}
