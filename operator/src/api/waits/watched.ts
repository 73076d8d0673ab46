/** Objects of a kind as this replica's watch has seen them, and a call for each change of one of them. */
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { type KubeObject, objectKey, type Resource } from "../../kube/resources.ts";

export class Watched<T extends KubeObject> {
  readonly #cache: Informer<T>;
  /** By `namespace/name`. */
  readonly #watchers = new Map<string, Set<() => void>>();

  /** `transform`: what is kept of each. */
  constructor(
    client: KubeClient,
    resource: Resource<T>,
    options: { namespaces: readonly string[]; transform?: (object: T) => T; log: Logger },
  ) {
    this.#cache = new Informer(client, resource, options);
    this.#cache.on("change", (key) => {
      for (const onChange of this.#watchers.get(key) ?? []) onChange();
    });
    this.#cache.addIndex("namespace", ({ metadata }) => [metadata?.namespace ?? ""]);
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#cache.start(signal);
  }

  seen(namespace: string, name: string): T | undefined {
    return this.#cache.get(namespace, name);
  }

  allOf(namespace: string): T[] {
    return this.#cache.byIndex("namespace", namespace);
  }

  /** Returns a function that ends it. */
  watch(namespace: string, name: string, onChange: () => void): () => void {
    const key = objectKey(namespace, name);
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers.add(onChange));
    return () => {
      watchers.delete(onChange);
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key);
    };
  }
}
