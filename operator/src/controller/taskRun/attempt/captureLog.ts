/**
 * Copies a container's log to the bucket before its pod is deleted: of a long one the beginning and the end,
 * each line with its time before it.
 *
 * While the bucket is down it is tried again for as long as the pod is there. A node that does not give the
 * log is tried for some time, once in a while for all attempts on it; then the log is given up, and the run
 * says so: nothing else waits for it.
 */
import type { V1Pod } from "@kubernetes/client-node";
import type { KubeClient } from "../../../kube/client/client.ts";
import { KubeError } from "../../../kube/client/client.ts";
import { type CutText, headAndTail } from "../../../lib/headAndTail.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import { containerName } from "../../../model/run/attempts.ts";
import { logKey } from "../../../storage/layout.ts";
import type { Stores } from "../../../storage/objectStore.ts";

/** The reason of a failure is at the end. */
const limits = { headBytes: 1024 * 1024, tailBytes: 9 * 1024 * 1024 };
/** For one log as a whole. */
const readLimitMs = 60_000;
/** How long a node that did not answer is not asked again. */
const pauseMs = 30_000;
/** How long a node is tried for the log of one attempt. */
const giveUpMs = 10 * 60_000;
/** Attempts that are remembered: as many as may be given up late. */
const maxRemembered = 10_000;

export interface CapturedLog {
  /** Absent when there is no log. */
  logKey?: string;
  /** What is missing from it. */
  logNote?: string;
}

interface LogDeps {
  client: Pick<KubeClient, "podLog">;
  store: Stores<"put">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export class LogCaptures {
  readonly #deps: LogDeps;
  /** By node: until when it is not asked. */
  readonly #silent = new Map<string, number>();
  /** By pod uid: when its node failed first. */
  readonly #failing = new Map<string, number>();

  constructor(deps: LogDeps) {
    this.#deps = deps;
  }

  /** `againAt`: the node is not asked before. Throws when the bucket or the node does not answer. */
  async capture(run: TaskRun, attempt: Attempt, pod: V1Pod): Promise<CapturedLog | { againAt: number }> {
    const { uid = "" } = pod.metadata ?? {};
    const { nodeName = "" } = pod.spec ?? {};
    const againAt = this.#silent.get(nodeName) ?? 0;
    if (this.#deps.clock() < againAt && !this.#isGivenUp(uid)) return { againAt };
    let log: CutText | undefined;
    try {
      log = await readLog(this.#deps.client, pod);
    } catch (error) {
      this.#failed(nodeName, uid);
      if (!this.#isGivenUp(uid)) throw error;
      this.#failing.delete(uid);
      return { logNote: `It could not be read for ${giveUpMs / 60_000} minutes: ${messageOf(error)}` };
    }
    this.#silent.delete(nodeName);
    this.#failing.delete(uid);
    if (!log || log.body.length === 0) return {};
    const key = logKey(run.metadata, attempt.number, uid);
    const store = this.#deps.store.of(run.metadata.namespace);
    await store.put(key, log.body, { type: "text/plain; charset=utf-8" });
    const note = `${log.missing} bytes between its beginning and its end are left out.`;
    return { logKey: key, ...(log.missing > 0 && { logNote: note }) };
  }

  #failed(node: string, uid: string): void {
    const now = this.#deps.clock();
    this.#silent.set(node, now + pauseMs);
    if (!this.#failing.has(uid)) this.#failing.set(uid, now);
    for (const map of [this.#silent, this.#failing]) {
      const [oldest] = map.keys();
      if (map.size > maxRemembered && oldest !== undefined) map.delete(oldest);
    }
  }

  #isGivenUp(uid: string): boolean {
    const since = this.#failing.get(uid);
    return since !== undefined && this.#deps.clock() - since >= giveUpMs;
  }
}

/** Undefined when there is no log and never will be. */
async function readLog(client: LogDeps["client"], { metadata }: V1Pod): Promise<CutText | undefined> {
  const { name = "", namespace = "" } = metadata ?? {};
  try {
    const signal = AbortSignal.timeout(readLimitMs);
    const stream = await client.podLog(namespace, name, {
      container: containerName,
      timestamps: true,
      signal,
    });
    return await headAndTail(stream, limits);
  } catch (error) {
    // 404: the pod is gone; 400: its container never ran.
    if (error instanceof KubeError && (error.status === 404 || error.status === 400)) return undefined;
    throw error;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
