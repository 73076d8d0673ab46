/**
 * Kubernetes Events: what `kubectl describe` shows of an object's life.
 *
 * `record` returns at once and never throws; what cannot be sent is dropped and counted. A repeated Event
 * raises the count of the one that is there. Bounded are the Events that wait to be sent, those that are
 * remembered for their counts, and the Events of one object (a burst, then one a minute), so that a loop
 * fills neither memory nor etcd.
 */
import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Logger } from "pino";
import { TokenBuckets } from "../../lib/tokenBucket.ts";
import type { KubeClient } from "../client/client.ts";
import { KubeError } from "../client/client.ts";
import { Events, type KubeObject } from "../resources.ts";

interface EventRecorderOptions {
  client: Pick<KubeClient, "create" | "patch">;
  /** Shown as the source: `fairlead-controller`. */
  component: string;
  log: Logger;
  now?: () => number;
}

interface Recorded {
  object: KubeObject;
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  firstAt: number;
  lastAt: number;
  count: number;
  /** The Event's name, once it is on the API server. */
  name?: string;
}

const waitingLimit = 1_000;
const rememberedLimit = 4_096;
/** After this time a repetition is a new Event. */
const sameEventMs = 10 * 60_000;
const burst = 25;
const perSecond = 1 / 60;
const messageLimit = 1_024;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #now: () => number;
  /** Events to be sent, by what identifies a repetition. */
  readonly #waiting = new Map<string, Recorded>();
  /** Events that were sent, by the same key. */
  readonly #sent = new LRUCache<string, Recorded>({ max: rememberedLimit });
  /** By object. */
  readonly #buckets = new TokenBuckets({ burst, perSecond }, rememberedLimit);
  #sending: Promise<void> | undefined;
  #dropped = 0;
  #created = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Events that were not sent: too many at once, too many about one object, or refused by the API server. */
  get dropped(): number {
    return this.#dropped;
  }

  /** `reason`: a CamelCase word. `message`: a sentence, cut after 1,024 bytes. */
  record(object: KubeObject, type: "Normal" | "Warning", reason: string, message: string): void {
    const at = this.#now();
    const text = cut(message, messageLimit);
    const key = JSON.stringify([object.metadata?.uid, object.metadata?.name, type, reason, text]);
    const { allowed } = this.#buckets.take(objectId(object), at);
    const waiting = this.#waiting.get(key);
    if (waiting) {
      waiting.count += 1;
      waiting.lastAt = at;
      return;
    }
    if (!allowed || this.#waiting.size >= waitingLimit) {
      this.#dropped += 1;
      return;
    }
    const { apiVersion, kind, metadata: { name, namespace, uid } = {} } = object;
    this.#waiting.set(key, {
      // Only what is needed: the object itself may be big.
      object: { apiVersion, kind, metadata: { name, namespace, uid } },
      type,
      reason,
      message: text,
      firstAt: at,
      lastAt: at,
      count: 1,
    });
    this.#start();
  }

  /** Resolves when everything recorded so far was sent or dropped. */
  async flush(): Promise<void> {
    while (this.#sending) await this.#sending;
  }

  #start(): void {
    this.#sending ??= this.#send().then(() => {
      this.#sending = undefined;
      if (this.#waiting.size > 0) this.#start();
    });
  }

  async #send(): Promise<void> {
    // Not within the caller's turn: repetitions may follow.
    await Promise.resolve();
    for (const [key, event] of this.#waiting) {
      this.#waiting.delete(key);
      const sent = this.#sent.get(key);
      if (sent && event.lastAt - sent.lastAt < sameEventMs) {
        event.count += sent.count;
        event.firstAt = sent.firstAt;
        event.name = sent.name;
      }
      try {
        if (!(await this.#raiseCount(event))) event.name = await this.#create(event);
        this.#sent.set(key, event);
      } catch (error) {
        this.#dropped += 1;
        const { reason, object } = event;
        this.#options.log.debug(
          { err: error, reason, object: object.metadata?.name },
          "an Event was not recorded",
        );
      }
    }
  }

  /** False when there is no Event to raise: it is new, or the API server has dropped it (after an hour). */
  async #raiseCount(event: Recorded): Promise<boolean> {
    if (event.name === undefined) return false;
    const patch = { count: event.count, lastTimestamp: iso(event.lastAt) };
    try {
      await this.#options.client.patch(Events, namespaceOf(event.object), event.name, patch, {
        type: "merge",
      });
      return true;
    } catch (error) {
      if (KubeError.is(error, "NotFound")) return false;
      throw error;
    }
  }

  async #create(event: Recorded): Promise<string> {
    const { apiVersion, kind, metadata = {} } = event.object;
    const namespace = namespaceOf(event.object);
    const name = `${metadata.name?.slice(0, 220)}.${this.#nameSuffix()}`;
    const body = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: {
        apiVersion,
        kind,
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
      },
      type: event.type,
      reason: event.reason,
      message: event.message,
      firstTimestamp: iso(event.firstAt),
      lastTimestamp: iso(event.lastAt),
      count: event.count,
      source: { component: this.#options.component },
      reportingComponent: this.#options.component,
      reportingInstance: "",
    };
    await this.#options.client.create(Events, namespace, body);
    return name;
  }

  /** Rises with time: times of Events have whole seconds, and readers order those of one second by name. */
  #nameSuffix(): string {
    this.#created += 1;
    const sequence = (this.#created % 0x1000).toString(16).padStart(3, "0");
    return `${this.#now().toString(16).padStart(12, "0")}${sequence}${randomBytes(2).toString("hex")}`;
  }
}

const objectId = ({ metadata }: KubeObject): string =>
  metadata?.uid ?? `${metadata?.namespace}/${metadata?.name}`;

/** Events about a cluster-scoped object live in `default`. */
const namespaceOf = (object: KubeObject): string => object.metadata?.namespace ?? "default";

const iso = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

/** Cuts between characters. */
function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const end = Buffer.from(text).subarray(0, bytes - 3);
  return `${new TextDecoder().decode(end).replace(/\uFFFD+$/, "")}…`;
}
