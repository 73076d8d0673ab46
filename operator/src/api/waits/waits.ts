/**
 * What this replica knows of what runs wait for: its watches of batches and tokens, beside that of runs, and
 * the URLs by which others complete tokens without a key.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Logger } from "pino";
import type { KubeClient } from "../../kube/client/client.ts";
import { TaskBatches, WaitTokens } from "../../model/kinds.ts";
import type { TaskBatch, WaitToken } from "../../model/resources.ts";
import { Watched } from "./watched.ts";

interface WaitsOptions {
  /** None: all. */
  namespaces: readonly string[];
  signingKey: string;
  log: Logger;
}

export class Waits {
  readonly batches: Watched<TaskBatch>;
  readonly tokens: Watched<WaitToken>;
  readonly #signingKey: string;

  constructor(client: KubeClient, { namespaces, signingKey, log }: WaitsOptions) {
    this.#signingKey = signingKey;
    this.batches = new Watched(client, TaskBatches, { namespaces, transform: phaseOf, log });
    this.tokens = new Watched(client, WaitTokens, { namespaces, log });
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.batches.start(signal), this.tokens.start(signal)]);
  }

  /** The last part of a token's callback URL: names its namespace, and cannot be guessed. */
  callbackHash(namespace: string, name: string): string {
    const hash = createHmac("sha256", this.#signingKey)
      .update(`callback\n${namespace}\n${name}`)
      .digest("hex");
    return `${namespace}.${hash}`;
  }

  /** The namespace of the token that the hash was made for; undefined: it was made for none of this name. */
  namespaceOfCallback(name: string, hash: string): string | undefined {
    const namespace = hash.slice(0, Math.max(0, hash.lastIndexOf(".")));
    const [given, right] = [hash, this.callbackHash(namespace, name)].map((text) => Buffer.from(text));
    const isRight = given && right && given.length === right.length && timingSafeEqual(given, right);
    return isRight ? namespace : undefined;
  }
}

/** Enough to see that it has finished; what it gave is read then. */
function phaseOf({ apiVersion, kind, metadata, status }: TaskBatch): TaskBatch {
  const { name, namespace, uid, resourceVersion } = metadata;
  const kept = { name, namespace, uid, resourceVersion };
  return { apiVersion, kind, metadata: kept, spec: {}, status: status && { phase: status.phase } };
}
