/**
 * API keys: Secrets of the release's namespace with the label `fairlead.dev/api-key: "true"` (apiKey.ts says
 * what is in them). Watched: a key that is deleted or changed stops working with the next event, one that has
 * an end at that time. A namespace may have several, so that one can follow another.
 *
 * A key opens one namespace: of several Secrets with the same key the oldest counts, of the same second
 * the first by name. Each change is logged,
 * and a Secret that does not count with its reason.
 */

import { createHash } from "node:crypto";
import { apiKeyLabel } from "@fairlead/protocol/labels";
import type { V1Secret } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Secrets } from "../../kube/resources.ts";
import { type ApiKey, apiKeyOf } from "./apiKey.ts";

interface Known {
  /** By the hash of the key: a lookup takes as long whatever is asked for. */
  byHash: Map<string, ApiKey>;
  /** Why a key that exists does not count, likewise. */
  refused: Map<string, string>;
}

export class ApiKeys {
  readonly #informer: Informer<V1Secret>;
  readonly #log: Logger;
  readonly #clock: () => number;
  #known: Known | undefined;

  constructor(client: KubeClient, namespace: string, log: Logger, clock: () => number = Date.now) {
    const labelSelector = `${apiKeyLabel}=true`;
    this.#informer = new Informer(client, Secrets, { namespace, labelSelector, log });
    this.#log = log;
    this.#clock = clock;
    this.#informer.on("change", (_key, before, after) => {
      this.#known = undefined;
      this.#tell(before, after);
    });
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#informer.start(signal);
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

  #all(): Known {
    if (this.#known) return this.#known;
    const known: Known = { byHash: new Map(), refused: new Map() };
    const oldestFirst = [...this.#informer.list()].sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
    for (const secret of oldestFirst) {
      const read = readSecret(secret);
      const hash = hashOf(typeof read === "string" ? (fieldsOf(secret).key ?? "") : read.key);
      if (typeof read === "string") known.refused.set(hash, read);
      else if (!known.byHash.has(hash)) known.byHash.set(hash, read);
    }
    this.#known = known;
    return known;
  }

  #tell(before: V1Secret | undefined, after: V1Secret | undefined): void {
    const secret = (after ?? before)?.metadata?.name;
    const read = after && readSecret(after);
    if (read === undefined) this.#log.info({ secret }, "an API key was removed");
    else if (typeof read === "string")
      this.#log.error({ secret, reason: read }, "a Secret of an API key opens nothing");
    else if (this.#all().byHash.get(hashOf(read.key))?.name !== read.name)
      this.#log.error({ secret }, "a Secret opens nothing: an older one has the same API key");
    else {
      const { namespace, scopes, notAfter } = read;
      const until = notAfter === undefined ? undefined : new Date(notAfter).toISOString();
      const what = before ? "an API key was changed" : "an API key counts";
      this.#log.info({ secret, namespace, scopes, notAfter: until }, what);
    }
  }
}

const readSecret = (secret: V1Secret): ApiKey | string =>
  apiKeyOf(secret.metadata?.name ?? "", fieldsOf(secret));

const fieldsOf = ({ data }: V1Secret): Record<string, string> =>
  Object.fromEntries(
    Object.entries(data ?? {}).map(([field, value]) => [
      field,
      Buffer.from(value, "base64").toString("utf8"),
    ]),
  );

const ageOf = ({ metadata }: V1Secret): string =>
  `${new Date(metadata?.creationTimestamp ?? 0).toISOString()} ${metadata?.name}`;

const hashOf = (key: string): string => createHash("sha256").update(key.trim()).digest("hex");
