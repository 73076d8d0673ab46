/**
 * What only Events say: why Jobs get no pods (a quota, pod security), why pods do not start on their nodes (a
 * volume, the network), and that an autoscaler makes room. Events have no index by their object, so those of
 * one kind in a namespace are read together: however many wait, one read of a bounded number of pages in five
 * seconds. What does not fit into one read is read by the next.
 *
 * A failed read is no answer and does not fail the caller: a start has its deadline all the same.
 */
import type { Logger } from "pino";
import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { Events } from "../../../kube/resources.ts";

export interface EventDeps {
  client: Pick<KubeClient, "list">;
  log: Pick<Logger, "warn">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export interface Problem {
  reason: string;
  message: string;
}

interface NamespaceEvents {
  readAt: number;
  reading?: Promise<void>;
  /** By the object's uid: of the last pass over all Events, and of the one that is under way. */
  last: Map<string, Problem>;
  now: Map<string, Problem>;
  continue?: string;
}

const intervalMs = 5_000;
const [pageSize, pagesAtOnce] = [500, 2];

/** Which Events are read, and which reasons count. */
const selections = {
  jobs: { fieldSelector: "involvedObject.kind=Job,reason=FailedCreate", reasons: /^/ },
  pods: {
    fieldSelector: "involvedObject.kind=Pod,type=Warning",
    reasons:
      /^(FailedMount|FailedAttachVolume|FailedCreatePodSandBox|NetworkNotReady|FailedCreatePodContainer)$/,
  },
  scaleUps: { fieldSelector: "involvedObject.kind=Pod,reason=TriggeredScaleUp", reasons: /^/ },
} as const;

export class EventProblems {
  readonly #selection: (typeof selections)[keyof typeof selections];
  readonly #deps: EventDeps;
  readonly #namespaces = new Map<string, NamespaceEvents>();

  constructor(selection: keyof typeof selections, deps: EventDeps) {
    this.#selection = selections[selection];
    this.#deps = deps;
  }

  /** What the last Event says of this object; undefined: nothing. */
  async of(namespace: string, uid: string): Promise<Problem | undefined> {
    const known = this.#of(namespace);
    if (this.#deps.clock() - known.readAt >= intervalMs) {
      known.reading ??= this.#read(namespace, known).finally(() => {
        known.reading = undefined;
      });
    }
    await known.reading;
    return known.now.get(uid) ?? known.last.get(uid);
  }

  #of(namespace: string): NamespaceEvents {
    const known = this.#namespaces.get(namespace);
    if (known) return known;
    this.#forgetOld();
    const created: NamespaceEvents = { readAt: Number.NEGATIVE_INFINITY, last: new Map(), now: new Map() };
    this.#namespaces.set(namespace, created);
    return created;
  }

  async #read(namespace: string, known: NamespaceEvents): Promise<void> {
    known.readAt = this.#deps.clock();
    const { fieldSelector, reasons } = this.#selection;
    try {
      for (let page = 0; page < pagesAtOnce; page++) {
        const events = await this.#deps.client.list(Events, namespace, {
          fieldSelector,
          limit: pageSize,
          continue: known.continue,
        });
        for (const { involvedObject, reason = "", message } of events.items)
          if (involvedObject.uid && message && reasons.test(reason))
            known.now.set(involvedObject.uid, { reason, message });
        known.continue = events.metadata.continue || undefined;
        if (known.continue) continue;
        [known.last, known.now] = [known.now, new Map()];
        return;
      }
    } catch (error) {
      known.continue = undefined;
      if (KubeError.isExpired(error)) return;
      this.#deps.log.warn({ err: error, namespace }, "Events could not be read");
    }
  }

  /** Removes namespaces that were not asked about for long. */
  #forgetOld(): void {
    const oldest = this.#deps.clock() - 60 * intervalMs;
    for (const [namespace, { readAt, reading }] of this.#namespaces)
      if (!reading && readAt < oldest) this.#namespaces.delete(namespace);
  }
}
