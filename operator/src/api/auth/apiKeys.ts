/**
 * API keys: Secrets of the release's namespace with the label `fairlead.dev/api-key: "true"`, each with `key`
 * (raw: public tokens are signed with it) and `namespace` (the environment that it opens). Watched: a key
 * that is deleted or changed stops working with the next event.
 */

import { timingSafeEqual } from "node:crypto";
import { apiKeyLabel } from "@fairlead/protocol/labels";
import type { V1Secret } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Secrets } from "../../kube/resources.ts";

export interface ApiKey {
  key: string;
  namespace: string;
}

export class ApiKeys {
  readonly #informer: Informer<V1Secret>;

  constructor(client: KubeClient, namespace: string, log: Logger) {
    const labelSelector = `${apiKeyLabel}=true`;
    this.#informer = new Informer(client, Secrets, { namespace, labelSelector, log });
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#informer.start(signal);
  }

  find(key: string): ApiKey | undefined {
    return this.#all().find((known) => isSame(known.key, key));
  }

  /** A namespace may have several, for rotation. */
  of(namespace: string): ApiKey[] {
    return this.#all().filter((known) => known.namespace === namespace);
  }

  #all(): ApiKey[] {
    return [...this.#informer.list()].flatMap(({ data }) => {
      const read = (field: string) =>
        Buffer.from(data?.[field] ?? "", "base64")
          .toString("utf8")
          .trim();
      const [key, namespace] = [read("key"), read("namespace")];
      return key && namespace ? [{ key, namespace }] : [];
    });
  }
}

function isSame(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
