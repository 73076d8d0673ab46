/** A controller for batches alone, against a real API server and bucket; it can die at any write. */

import { batchLabel } from "@fairlead/protocol/labels";
import { type CachedBatch, withoutItems } from "../../../operator/src/controller/taskBatch/cache.ts";
import { reconcileBatch } from "../../../operator/src/controller/taskBatch/reconciler.ts";
import type { BatchDeps } from "../../../operator/src/controller/taskBatch/status.ts";
import { type CachedRun, withoutPayload } from "../../../operator/src/controller/taskRun/cache.ts";
import { Informer } from "../../../operator/src/kube/cache/informer.ts";
import type { KubeClient } from "../../../operator/src/kube/client/client.ts";
import { done } from "../../../operator/src/kube/manager/requeue.ts";
import { WorkQueue } from "../../../operator/src/kube/manager/workQueue.ts";
import type { Resource } from "../../../operator/src/kube/resources.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import { quiet } from "../../support/quiet.ts";
import type { ApiServer } from "../../support/servers/apiServer.ts";
import type { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";

export interface Servers {
  api: ApiServer;
  bucket: ObjectStoreServer;
}

export interface ControllerSettings {
  /** Dies instead of the write of this number, or right after it. */
  dieAt?: { write: number; phase: "before" | "after" };
  /** Added to the time of day. */
  aheadMs?: () => number;
  retentionSeconds?: number;
  onFailure?: (error: unknown) => void;
}

export class BatchController {
  readonly deps: BatchDeps;
  /** To the API server and the bucket, in order. */
  readonly writes: string[];
  /** Keys of runs that were to be looked at again. */
  readonly runKeys: string[];
  readonly #stop: AbortController;
  readonly #client: KubeClient;
  readonly #done: Promise<void>;

  private constructor(made: Made) {
    this.deps = made.deps;
    this.writes = made.writes;
    this.runKeys = made.runKeys;
    this.#stop = made.stop;
    this.#client = made.client;
    this.#done = made.deps.batchQueue.run(made.stop.signal);
  }

  static async start(servers: Servers, settings: ControllerSettings = {}): Promise<BatchController> {
    const made = make(servers, settings);
    const { runs, batches, batchQueue } = made.deps;
    batches.on("change", (key) => batchQueue.add(key));
    runs.on("change", (_key, before, after) => {
      const { labels, namespace } = (after ?? before)?.metadata ?? {};
      if (labels?.[batchLabel]) batchQueue.add(`${namespace}/${labels[batchLabel]}`);
    });
    await Promise.all([runs.start(made.stop.signal), batches.start(made.stop.signal)]);
    return new BatchController(made);
  }

  get isDead(): boolean {
    return this.#stop.signal.aborted;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#client.close();
  }
}

interface Made {
  deps: BatchDeps;
  client: KubeClient;
  stop: AbortController;
  writes: string[];
  runKeys: string[];
}

function make({ api, bucket }: Servers, settings: ControllerSettings): Made {
  const stop = new AbortController();
  const writes: string[] = [];
  const runKeys: string[] = [];
  const onWrite = (phase: "before" | "after", what: string): void => {
    if (stop.signal.aborted) throw new Error("this controller is dead");
    if (phase === "before") writes.push(what);
    const { dieAt } = settings;
    if (dieAt?.phase === phase && writes.length >= dieAt.write) {
      stop.abort();
      throw new Error(`dies ${phase} ${what}`);
    }
  };
  const client = api.client({ onWrite });
  const runs = new Informer<CachedRun>(client, TaskRuns as Resource<CachedRun>, {
    transform: withoutPayload,
    log: quiet,
  });
  const batches = new Informer<CachedBatch>(client, TaskBatches as Resource<CachedBatch>, {
    transform: withoutItems,
    log: quiet,
  });
  runs.addIndex("batch", (run) => {
    const batch = run.metadata.labels?.[batchLabel];
    return batch ? [`${run.metadata.namespace}/${batch}`] : [];
  });
  const batchQueue: WorkQueue = new WorkQueue(async (key) => (await reconcileBatch(deps, key)) ?? done, {
    ...{ concurrency: 4, baseDelayMs: 50, maxDelayMs: 1000 },
    onError: (_key, error) => settings.onFailure?.(error),
  });
  const deps = {
    ...{ client, runs, batches, batchQueue },
    queue: { add: (key: string) => runKeys.push(key) },
    store: bucket.store(onWrite),
    config: { retentionSeconds: settings.retentionSeconds ?? 3600 },
    clock: () => Date.now() + (settings.aheadMs?.() ?? 0),
    log: quiet,
  } as unknown as BatchDeps;
  return { deps, client, stop, writes, runKeys };
}
