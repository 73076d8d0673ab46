/**
 * Why Jobs get no pods: a quota, pod security. The Job controller says it in Events, which have no index by
 * their object, so the Events of all Jobs of a namespace are read together: however many Jobs wait, one read
 * of a bounded number of pages in five seconds. What does not fit into one read is read by the next.
 *
 * A failed read is no answer and does not fail whoever asked: a Job without a pod has its deadline all the
 * same.
 */
import type { Logger } from "pino";
import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { Events } from "../../../kube/resources.ts";

export interface JobProblemsDeps {
  client: Pick<KubeClient, "list">;
  log: Pick<Logger, "warn">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

interface NamespaceEvents {
  readAt: number;
  reading?: Promise<void>;
  /** Messages by the Job's uid: of the last pass over all Events, and of the one that is under way. */
  last: Map<string, string>;
  now: Map<string, string>;
  continue?: string;
}

const intervalMs = 5_000;
const [pageSize, pagesAtOnce] = [500, 2];
const fieldSelector = "involvedObject.kind=Job,reason=FailedCreate";

export class JobProblems {
  readonly #deps: JobProblemsDeps;
  readonly #namespaces = new Map<string, NamespaceEvents>();

  constructor(deps: JobProblemsDeps) {
    this.#deps = deps;
  }

  /** What the last Event says of this Job; undefined: nothing. */
  async of(namespace: string, jobUid: string): Promise<string | undefined> {
    const known = this.#of(namespace);
    if (this.#deps.clock() - known.readAt >= intervalMs) {
      known.reading ??= this.#read(namespace, known).finally(() => {
        known.reading = undefined;
      });
    }
    await known.reading;
    return known.now.get(jobUid) ?? known.last.get(jobUid);
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
    try {
      for (let page = 0; page < pagesAtOnce; page++) {
        const events = await this.#deps.client.list(Events, namespace, {
          fieldSelector,
          limit: pageSize,
          continue: known.continue,
        });
        for (const { involvedObject, message } of events.items)
          if (involvedObject.uid && message) known.now.set(involvedObject.uid, message);
        known.continue = events.metadata.continue || undefined;
        if (known.continue) continue;
        [known.last, known.now] = [known.now, new Map()];
        return;
      }
    } catch (error) {
      known.continue = undefined;
      if (KubeError.isExpired(error)) return;
      this.#deps.log.warn({ err: error, namespace }, "the Events of Jobs could not be read");
    }
  }

  /** Namespaces of which nobody has asked for long. */
  #forgetOld(): void {
    const oldest = this.#deps.clock() - 60 * intervalMs;
    for (const [namespace, { readAt, reading }] of this.#namespaces)
      if (!reading && readAt < oldest) this.#namespaces.delete(namespace);
  }
}
