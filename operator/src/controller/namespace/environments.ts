/**
 * The settings of namespaces, which are annotations of theirs, kept fresh: by a watch when all namespaces are
 * watched. When only some are, the controller's Roles allow no watch of Namespaces, so each is read every
 * fifteen seconds.
 */
import type { V1Namespace } from "@kubernetes/client-node";
import type { Logger } from "pino";
import { Informer } from "../../kube/cache/informer.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { Namespaces } from "../../kube/resources.ts";
import { every } from "../../lib/periodic.ts";
import { type Environment, environmentOf } from "../../model/environment.ts";

const pollMs = 15_000;
const unknown: Environment = { type: "prod", problems: [] };

export class Environments {
  readonly #client: KubeClient;
  readonly #watched: readonly string[];
  readonly #defaultLimit: number;
  readonly #log: Logger;
  readonly #known = new Map<string, Environment>();
  #started: Promise<void> | undefined;
  /** Called with a namespace whose settings changed or that was deleted. */
  onChange: (namespace: string) => void = () => undefined;

  /** `defaultLimit`: for namespaces that set none; 0: no limit. */
  constructor(client: KubeClient, watched: readonly string[], defaultLimit: number, log: Logger) {
    this.#client = client;
    this.#watched = watched;
    this.#defaultLimit = defaultLimit;
    this.#log = log;
  }

  /**
   * Resolves when every namespace was read once. A further call starts nothing: it waits for the first one's
   * reads.
   */
  start(signal: AbortSignal): Promise<void> {
    this.#started ??= this.#start(signal);
    return this.#started;
  }

  async #start(signal: AbortSignal): Promise<void> {
    if (this.#watched.length === 0) {
      const informer = new Informer<V1Namespace>(this.#client, Namespaces, { log: this.#log });
      informer.on("change", (name, _before, after) => this.#set(name, after));
      return informer.start(signal);
    }
    await this.#poll(signal);
    const failure = "the settings of namespaces could not be read";
    void every(pollMs, { signal, log: this.#log, failure }, () => this.#poll(signal));
  }

  names(): Iterable<string> {
    return this.#known.keys();
  }

  exists(namespace: string): boolean {
    return this.#known.has(namespace);
  }

  of(namespace: string): Environment {
    return this.#known.get(namespace) ?? unknown;
  }

  /** Runs of the namespace that may execute at once; null: no limit. */
  limitOf(namespace: string): number | null {
    return this.#limit(this.of(namespace));
  }

  /** The same, read from the API server. */
  async readLimit(namespace: string): Promise<number | null> {
    const live = await this.#client.get(Namespaces, undefined, namespace);
    return this.#limit(live ? environmentOf(live.metadata ?? {}) : unknown);
  }

  #limit({ concurrencyLimit }: Environment): number | null {
    return concurrencyLimit ?? (this.#defaultLimit > 0 ? this.#defaultLimit : null);
  }

  #set(name: string, namespace: V1Namespace | undefined): void {
    const before = JSON.stringify(this.#known.get(name));
    if (!namespace) {
      if (this.#known.delete(name)) this.onChange(name);
      return;
    }
    this.#known.set(name, environmentOf(namespace.metadata ?? {}));
    const now = this.#known.get(name);
    if (before === JSON.stringify(now)) return;
    for (const problem of now?.problems ?? []) this.#log.warn({ namespace: name }, problem);
    this.onChange(name);
  }

  async #poll(signal: AbortSignal): Promise<void> {
    for (const name of this.#watched) {
      try {
        this.#set(name, await this.#client.get(Namespaces, undefined, name, { signal }));
      } catch (error) {
        signal.throwIfAborted();
        this.#log.warn({ err: error, namespace: name }, "the namespace's settings could not be read");
      }
    }
  }
}
