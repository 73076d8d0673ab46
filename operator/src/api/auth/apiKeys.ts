/**
 * API keys, in two Secrets of the release's namespace (keyEntries.ts), so that the API may read these by name
 * and no others. Both are watched: a key that is deleted or changed stops working with the next event, one
 * that has an end at that time. A namespace may have several, so that one can follow another.
 *
 * A key opens one namespace: of several entries with the same key the first counts, the first key before all
 * others, those by name. Each change is logged, and an entry that does not count with its reason.
 */

import { createHash } from "node:crypto";
import type { V1Secret } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Secrets } from "../../kube/resources.ts";
import { type ApiKey, apiKeyOf } from "./apiKey.ts";
import { type KeyEntry, keyEntries } from "./keyEntries.ts";

interface Known {
  /** By the hash of the key: a lookup takes as long whatever is asked for. */
  byHash: Map<string, ApiKey>;
  /** Why a key that exists does not count, likewise. */
  refused: Map<string, string>;
}

interface Options {
  /** Of the release. */
  namespace: string;
  /** Names of the Secrets. */
  first: string;
  others: string;
  log: Logger;
  clock?: () => number;
}

export class ApiKeys {
  readonly #first: Informer<V1Secret>;
  readonly #others: Informer<V1Secret>;
  readonly #log: Logger;
  readonly #clock: () => number;
  #known: Known | undefined;
  /** What was told of each entry, by its name. */
  #told = new Map<string, string>();

  constructor(client: KubeClient, { namespace, first, others, log, clock = Date.now }: Options) {
    // The right to list and watch by name holds only for a request that selects the name.
    const named = (name: string) =>
      new Informer(client, Secrets, { namespace, fieldSelector: `metadata.name=${name}`, log });
    this.#first = named(first);
    this.#others = named(others);
    this.#log = log;
    this.#clock = clock;
    for (const informer of [this.#first, this.#others]) {
      informer.on("change", () => {
        this.#known = undefined;
        this.#tell();
      });
    }
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#first.start(signal), this.#others.start(signal)]);
  }

  find(key: string): ApiKey | undefined {
    const found = this.#all().byHash.get(hashOf(key));
    return found && this.#counts(found) ? found : undefined;
  }

  of(namespace: string): ApiKey[] {
    return [...this.#all().byHash.values()].filter((key) => key.namespace === namespace && this.#counts(key));
  }

  /** Why a key that exists does not count. */
  refusal(key: string): string | undefined {
    const { byHash, refused } = this.#all();
    const hash = hashOf(key);
    return byHash.has(hash) ? "notAfter: this time is over" : refused.get(hash);
  }

  #counts({ notAfter }: ApiKey): boolean {
    return notAfter === undefined || this.#clock() < notAfter;
  }

  #entries(): KeyEntry[] {
    const [first] = this.#first.list();
    const [others] = this.#others.list();
    return keyEntries(first, others);
  }

  #all(): Known {
    if (this.#known) return this.#known;
    const known: Known = { byHash: new Map(), refused: new Map() };
    for (const { name, fields } of this.#entries()) {
      const read = apiKeyOf(name, fields);
      const hash = hashOf(typeof read === "string" ? (fields.key ?? "") : read.key);
      if (typeof read === "string") known.refused.set(hash, read);
      else if (!known.byHash.has(hash)) known.byHash.set(hash, read);
    }
    this.#known = known;
    return known;
  }

  #tell(): void {
    const before = this.#told;
    this.#told = new Map();
    for (const entry of this.#entries()) {
      const digest = hashOf(JSON.stringify(entry.fields));
      this.#told.set(entry.name, digest);
      if (before.get(entry.name) !== digest) this.#tellOf(entry, before.has(entry.name));
    }
    for (const name of before.keys())
      if (!this.#told.has(name)) this.#log.info({ apiKey: name }, "an API key was removed");
  }

  #tellOf({ name: apiKey, fields }: KeyEntry, wasThere: boolean): void {
    const read = apiKeyOf(apiKey, fields);
    if (typeof read === "string") this.#log.error({ apiKey, reason: read }, "an API key opens nothing");
    else if (this.#all().byHash.get(hashOf(read.key))?.name !== read.name)
      this.#log.error({ apiKey }, "an API key opens nothing: another one with the same text comes before it");
    else {
      const { namespace, scopes, notAfter } = read;
      const until = notAfter === undefined ? undefined : new Date(notAfter).toISOString();
      const what = wasThere ? "an API key was changed" : "an API key counts";
      this.#log.info({ apiKey, namespace, scopes, notAfter: until }, what);
    }
  }
}

const hashOf = (key: string): string => createHash("sha256").update(key.trim()).digest("hex");
