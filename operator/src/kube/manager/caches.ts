/**
 * The caches that a process keeps, declared as values: what is watched, what is kept of it, how it is looked
 * up.
 */
import type { Logger } from "pino";
import { Informer } from "../cache/informer.ts";
import type { Source } from "../cache/reflector.ts";
import type { KubeObject, Resource } from "../resources.ts";

interface CacheOptions<T> {
  labelSelector?: string;
  /** What is kept of an object. Applied more than once to some: must be idempotent. */
  transform?: (object: T) => T;
  /** Names of indexes, and the values under which an object is found in them. */
  indexes?: Readonly<Record<string, (object: T) => readonly string[]>>;
}

interface CacheScope {
  client: Source;
  /** Empty: all. */
  namespaces: readonly string[];
  log: Logger;
}

interface CacheDeclaration<T extends KubeObject> {
  open(scope: CacheScope): Informer<T>;
}

export function cacheOf<T extends KubeObject>(
  resource: Resource<T>,
  { indexes = {}, ...options }: CacheOptions<T> = {},
): CacheDeclaration<T> {
  return {
    open({ client, namespaces, log }) {
      const informer = new Informer<T>(client, resource, { ...options, namespaces, log });
      for (const [name, valuesOf] of Object.entries(indexes)) informer.addIndex(name, valuesOf);
      return informer;
    },
  };
}

/** What the manager needs of an informer, whatever it holds. */
export type AnyInformer = Pick<Informer<KubeObject>, "start" | "synced" | "lastActivityAt">;
export type CacheDeclarations = Readonly<Record<string, { open(scope: CacheScope): AnyInformer }>>;
/** The informers of these declarations, by the same names. */
export type Caches<C extends CacheDeclarations> = { readonly [K in keyof C]: ReturnType<C[K]["open"]> };

export function openCaches<C extends CacheDeclarations>(declarations: C, scope: CacheScope): Caches<C> {
  const opened = Object.entries(declarations).map(([name, declaration]) => [name, declaration.open(scope)]);
  return Object.fromEntries(opened) as Caches<C>;
}
