/**
 * The known objects of one kind, fed by lists, watch events and our own writes.
 *
 * The API server's order decides, not the order of arrival:
 * - a list is the truth about its moment: an object that it lacks was deleted;
 * - watch events come in order and are applied as they come;
 * - the answer to one of our writes is ahead of both until the watch catches up. Until then the entry is
 *   `written`: older events and a list that began before the write leave it alone. Deletion of that object
 *   always wins, and a late answer about an object that the watch has seen deleted is ignored, because the
 *   watch is past its version.
 *
 * Versions are compared for written objects only. They are ordered within one resource of one API server;
 * where they are not numbers, answers to writes are ignored and the watch alone counts. A relist also heals a
 * cluster that was restored from a backup, where versions start over.
 */
import type { Logger } from "pino";
import { type KubeObject, keyOf } from "../resources.ts";

export type ChangeHandler<T> = (key: string, before: T | undefined, after: T | undefined) => void;

export interface ObjectCacheOptions<T> {
  /** Applied to every object that comes in, to some more than once: must be idempotent. */
  transform?: (object: T) => T;
  /** Whether an object that we have created belongs into the cache. Default: every one does. */
  selects?: (object: T) => boolean;
  log: Pick<Logger, "error">;
}

interface Entry<T> {
  object: T;
  /** Number of the write that it comes from, until a list or event has confirmed it. */
  written?: number;
}

interface Index<T> {
  of: (object: T) => readonly string[];
  keysByValue: Map<string, Set<string>>;
  valuesByKey: Map<string, readonly string[]>;
}

/** One list, from its first page to its last. */
interface ListPass<T> {
  add(object: T): void;
  /** Removes what the list did not have. */
  finish(resourceVersion: string): void;
}

export class ObjectCache<T extends KubeObject> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #options: ObjectCacheOptions<T>;
  /** Newest version that lists and watch events have brought, by namespace; "" for all namespaces. */
  readonly #seen = new Map<string, bigint>();
  #writes = 0;

  constructor(options: ObjectCacheOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.object;
  }

  *values(): Generator<T, void, undefined> {
    for (const entry of this.#entries.values()) yield entry.object;
  }

  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  addIndex(name: string, of: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) throw new Error(`index ${name} exists already`);
    const index: Index<T> = { of, keysByValue: new Map(), valuesByKey: new Map() };
    this.#indexes.set(name, index);
    for (const [key, entry] of this.#entries) this.#reindex(index, key, entry.object);
  }

  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`index ${name} does not exist`);
    return [...(index.keysByValue.get(value) ?? [])].map(
      (key) => (this.#entries.get(key) as Entry<T>).object,
    );
  }

  /** How many `byIndex` would return, without making the list. */
  countByIndex(name: string, value: string): number {
    const index = this.#indexes.get(name);
    if (!index) throw new Error(`index ${name} does not exist`);
    return index.keysByValue.get(value)?.size ?? 0;
  }

  /** `scope`: the namespace that is listed and watched, "" for all. */
  beginList(scope: string): ListPass<T> {
    const writesBefore = this.#writes;
    const listed = new Set<string>();
    const isAhead = (entry: Entry<T> | undefined, than: string | undefined): boolean =>
      entry?.written !== undefined &&
      entry.written > writesBefore &&
      isNewer(entry.object.metadata?.resourceVersion, than);
    return {
      add: (raw) => {
        const key = keyOf(raw);
        listed.add(key);
        if (!isAhead(this.#entries.get(key), raw.metadata?.resourceVersion)) this.#put(key, raw);
      },
      finish: (resourceVersion) => {
        for (const [key, entry] of this.#entries) {
          if (scope !== "" && entry.object.metadata?.namespace !== scope) continue;
          if (!listed.has(key) && !isAhead(entry, resourceVersion)) this.#remove(key);
        }
        this.#see(scope, resourceVersion);
      },
    };
  }

  applyEvent(scope: string, type: "ADDED" | "MODIFIED" | "DELETED", raw: T): void {
    const key = keyOf(raw);
    const entry = this.#entries.get(key);
    const sameObject = entry?.object.metadata?.uid === raw.metadata?.uid;
    const eventIsOld =
      entry?.written !== undefined &&
      isNewer(entry.object.metadata?.resourceVersion, raw.metadata?.resourceVersion);
    this.#see(scope, raw.metadata?.resourceVersion);
    if (type === "DELETED") {
      // An old event of the same object: it had ceased to match the selector before we wrote.
      if (sameObject || !eventIsOld) this.#remove(key);
    } else if (!eventIsOld) this.#put(key, raw);
  }

  bookmark(scope: string, resourceVersion: string | undefined): void {
    this.#see(scope, resourceVersion);
  }

  /** Puts the API server's answer to a create, replace or patch into the cache, unless the cache is newer. */
  upsertFromWrite(raw: T): void {
    const key = keyOf(raw);
    const { namespace, resourceVersion } = raw.metadata ?? {};
    const entry = this.#entries.get(key);
    // Without an entry the watch must not be past this version: then the object was deleted since.
    const seen = this.#seen.get("") ?? this.#seen.get(namespace ?? "");
    if (!isNewer(resourceVersion, entry ? entry.object.metadata?.resourceVersion : seen)) return;
    if (!entry && this.#options.selects && !this.#options.selects(raw)) return;
    this.#writes += 1;
    this.#put(key, raw, this.#writes);
  }

  #put(key: string, raw: T, written?: number): void {
    const before = this.#entries.get(key);
    const old = before?.object.metadata;
    if (old && old.uid === raw.metadata?.uid && old.resourceVersion === raw.metadata?.resourceVersion) {
      before.written = written;
      return;
    }
    const object = this.#ingest(key, raw);
    if (!object) {
      this.#remove(key);
      return;
    }
    this.#entries.set(key, { object, written });
    for (const index of this.#indexes.values()) this.#reindex(index, key, object);
    this.#emit(key, before?.object, object);
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    for (const index of this.#indexes.values()) this.#reindex(index, key, undefined);
    this.#emit(key, entry.object, undefined);
  }

  /** Undefined when the transform failed: such an object is left out, and an error is logged. */
  #ingest(key: string, raw: T): T | undefined {
    const object = withoutBookkeeping(raw);
    if (!this.#options.transform) return object;
    try {
      return this.#options.transform(object);
    } catch (error) {
      this.#options.log.error(
        { err: error, key },
        "an object was left out of the cache: its transform failed",
      );
      return undefined;
    }
  }

  #reindex(index: Index<T>, key: string, object: T | undefined): void {
    for (const value of index.valuesByKey.get(key) ?? []) {
      const keys = index.keysByValue.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index.keysByValue.delete(value);
    }
    index.valuesByKey.delete(key);
    const values = object ? this.#indexValues(index, key, object) : [];
    if (values.length === 0) return;
    index.valuesByKey.set(key, values);
    for (const value of values) {
      const keys = index.keysByValue.get(value);
      if (keys) keys.add(key);
      else index.keysByValue.set(value, new Set([key]));
    }
  }

  #indexValues(index: Index<T>, key: string, object: T): readonly string[] {
    try {
      return index.of(object);
    } catch (error) {
      this.#options.log.error(
        { err: error, key },
        "an object is not in the index: its index function failed",
      );
      return [];
    }
  }

  #emit(key: string, before: T | undefined, after: T | undefined): void {
    for (const handler of this.#handlers) {
      try {
        handler(key, before, after);
      } catch (error) {
        this.#options.log.error({ err: error, key }, "a change handler failed");
      }
    }
  }

  #see(scope: string, resourceVersion: string | undefined): void {
    const version = toNumber(resourceVersion);
    if (version !== undefined) this.#seen.set(scope, version);
  }
}

/** Without managedFields, often bigger than the object, and without kubectl's copy of the whole spec. */
function withoutBookkeeping<T extends KubeObject>(raw: T): T {
  const { managedFields: _, annotations, ...rest } = raw.metadata as KubeMetadata;
  const metadata: KubeMetadata = rest;
  if (annotations) {
    const { "kubectl.kubernetes.io/last-applied-configuration": _applied, ...others } = annotations;
    metadata.annotations = others;
  }
  return { ...raw, metadata };
}

type KubeMetadata = NonNullable<KubeObject["metadata"]> & { managedFields?: unknown };

function isNewer(version: string | undefined, than: string | bigint | undefined): boolean {
  const left = toNumber(version);
  const right = typeof than === "bigint" ? than : toNumber(than);
  return left !== undefined && right !== undefined && left > right;
}

function toNumber(version: string | undefined): bigint | undefined {
  return version !== undefined && /^\d{1,20}$/.test(version) ? BigInt(version) : undefined;
}
