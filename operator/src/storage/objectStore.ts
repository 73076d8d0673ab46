/**
 * The only way to the bucket: a store for each namespace, and one for what is the installation's own. A
 * store refuses every key, listing and source of a copy that is not in its folder, or can be no key, before
 * anything is signed or sent (BadKeyError). So whatever a resource, a report or a client names, it reaches
 * nothing of another namespace.
 *
 *   <prefix>/ns/<namespace>/…      layout.ts
 *   <prefix>/maintenance/…         the installation's own
 *
 * The prefix distinguishes installations that share a bucket; keys in resources are without it.
 */
import type { Gate } from "../lib/fairGate.ts";
import { BadKeyError, keyProblemIn } from "../model/keys/objectKey.ts";
import type { Bucket, ListOptions, ObjectPage } from "./bucket.ts";
import { foldersBelow } from "./listing.ts";

/** What of the bucket is used. */
export type RawBucket = Pick<
  Bucket,
  | "copy"
  | "delete"
  | "deleteMany"
  | "ensureBucket"
  | "get"
  | "head"
  | "list"
  | "presignGet"
  | "presignPut"
  | "put"
  | "putNew"
  | "read"
>;

/** The stores of all namespaces, of which one needs these methods. */
export interface Stores<M extends keyof NamespaceStore> {
  of(namespace: string): Pick<NamespaceStore, M>;
}

type NoteUnreadable = (key: string, error: unknown) => void;

const namespacePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const namespacesFolder = "ns/";
const ownFolder = "maintenance/";

interface StoreOptions {
  /** With one, namespaces take turns at the bucket. */
  gate?: Gate;
  /** An object is not what its key says. */
  onUnreadable?: NoteUnreadable;
}

export class ObjectStore implements Stores<keyof NamespaceStore> {
  readonly #bucket: RawBucket;
  readonly #root: string;
  readonly #gate: Gate | undefined;
  readonly #noteUnreadable: NoteUnreadable;
  readonly own: NamespaceStore;
  /** Objects that could not be read, since the process began. */
  unreadable = 0;

  /** `prefix`: of all keys; empty: none. */
  constructor(bucket: RawBucket, prefix = "", { gate, onUnreadable }: StoreOptions = {}) {
    this.#bucket = bucket;
    this.#gate = gate;
    this.#root = prefix === "" ? "" : `${prefix}/`;
    this.#noteUnreadable = (key, error) => {
      this.unreadable++;
      onUnreadable?.(key, error);
    };
    this.own = this.#storeOf(ownFolder);
  }

  /** Creates the bucket if there is none. */
  ensureBucket(): Promise<void> {
    return this.#bucket.ensureBucket();
  }

  of(namespace: string): NamespaceStore {
    const folder = `${namespacesFolder}${namespace}/`;
    if (!namespacePattern.test(namespace)) throw new BadKeyError(folder, "names no namespace");
    return this.#storeOf(folder, this.#gate ? gated(this.#bucket, this.#gate, namespace) : this.#bucket);
  }

  /** Namespaces of which there are objects, in order; those after one, if it is given. */
  async *namespaces(after?: string): AsyncGenerator<string, void, undefined> {
    const folder = this.#root + namespacesFolder;
    const start = after === undefined ? undefined : `${folder}${after}/\uffff`;
    for await (const found of foldersBelow(this.#bucket, folder, start)) {
      const namespace = found.slice(folder.length, -1);
      if (namespacePattern.test(namespace)) yield namespace;
    }
  }

  #storeOf(folder: string, bucket = this.#bucket): NamespaceStore {
    return new NamespaceStore(bucket, this.#root, folder, this.#noteUnreadable);
  }
}

/** Signing needs no request, and downloads have connections of their own. */
const gated = (bucket: RawBucket, gate: Gate, namespace: string): RawBucket => ({
  ensureBucket: () => bucket.ensureBucket(),
  presignGet: (...call) => bucket.presignGet(...call),
  presignPut: (...call) => bucket.presignPut(...call),
  read: (...call) => bucket.read(...call),
  put: (...call) => gate.run(namespace, () => bucket.put(...call)),
  putNew: (...call) => gate.run(namespace, () => bucket.putNew(...call)),
  head: (...call) => gate.run(namespace, () => bucket.head(...call)),
  get: (...call) => gate.run(namespace, () => bucket.get(...call)),
  list: (...call) => gate.run(namespace, () => bucket.list(...call)),
  copy: (...call) => gate.run(namespace, () => bucket.copy(...call)),
  delete: (...call) => gate.run(namespace, () => bucket.delete(...call)),
  deleteMany: (...call) => gate.run(namespace, () => bucket.deleteMany(...call)),
});

export class NamespaceStore {
  readonly #bucket: RawBucket;
  readonly #root: string;
  readonly #folder: string;

  /** Notes an object that is not what its key says; who asked for it decides what follows. */
  readonly unreadable: NoteUnreadable;

  constructor(bucket: RawBucket, root: string, folder: string, unreadable: NoteUnreadable) {
    this.#bucket = bucket;
    this.#root = root;
    this.#folder = folder;
    this.unreadable = unreadable;
  }

  put: RawBucket["put"] = async (key, body, options) => this.#bucket.put(this.#own(key), body, options);

  putNew: RawBucket["putNew"] = async (key, body, options) =>
    this.#bucket.putNew(this.#own(key), body, options);

  head: RawBucket["head"] = async (key) => this.#bucket.head(this.#own(key));

  get: RawBucket["get"] = async (key, options) => this.#bucket.get(this.#own(key), options);

  read: RawBucket["read"] = async (key) => this.#bucket.read(this.#own(key));

  copy: RawBucket["copy"] = async (from, to, options) =>
    this.#bucket.copy(this.#own(from), this.#own(to), options);

  delete: RawBucket["delete"] = async (key) => this.#bucket.delete(this.#own(key));

  presignGet: RawBucket["presignGet"] = async (key, options) =>
    this.#bucket.presignGet(this.#own(key), options);

  presignPut: RawBucket["presignPut"] = async (key, options) =>
    this.#bucket.presignPut(this.#own(key), options);

  /** A key that is refused counts as one that is still there. */
  async deleteMany(keys: readonly string[]): Promise<string[]> {
    const refused = keys.filter((key) => keyProblemIn(this.#folder, key) !== undefined);
    const left = new Set(refused);
    const own = keys.filter((key) => !left.has(key)).map((key) => this.#root + key);
    const failed = own.length > 0 ? await this.#bucket.deleteMany(own) : [];
    return [...refused, ...failed.map((key) => key.slice(this.#root.length))];
  }

  async list(prefix: string, options: ListOptions): Promise<ObjectPage> {
    // A prefix may end with a slash: it is one of what may follow.
    const problem = keyProblemIn(this.#folder, `${prefix}_`);
    if (problem) throw new BadKeyError(prefix, problem);
    const { startAfter } = options;
    // Only a position, which may be between keys.
    if (startAfter !== undefined && !startAfter.startsWith(prefix))
      throw new BadKeyError(startAfter, `must begin with ${prefix}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
    if (startAfter !== undefined && (/[\u0000-\u001f\u007f]/.test(startAfter) || !startAfter.isWellFormed()))
      throw new BadKeyError(startAfter, "has a control character, or is no valid Unicode");
    const page = await this.#bucket.list(this.#root + prefix, {
      ...options,
      startAfter: startAfter && this.#root + startAfter,
    });
    const without = (key: string): string => key.slice(this.#root.length);
    return {
      objects: page.objects.map((object) => ({ ...object, key: without(object.key) })),
      folders: page.folders.map(without),
      more: page.more,
    };
  }

  /** As the bucket knows it. */
  #own(key: string): string {
    const problem = keyProblemIn(this.#folder, key);
    if (problem) throw new BadKeyError(key, problem);
    return this.#root + key;
  }
}
