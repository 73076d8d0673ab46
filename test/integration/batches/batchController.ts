/**
 * The controller of TaskBatches as production declares it, alone in its process, against a real API server
 * and bucket; it can die at any write.
 */
import { cacheDeclarations } from "../../../operator/src/controller/caches.ts";
import { taskBatches } from "../../../operator/src/controller/taskBatch/controller.ts";
import type { BatchDeps } from "../../../operator/src/controller/taskBatch/status.ts";
import { Manager } from "../../../operator/src/kube/manager/manager.ts";
import { objectKey } from "../../../operator/src/kube/resources.ts";
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
}

const { runs, batches } = cacheDeclarations;
const caches = { runs, batches };

export class BatchController {
  readonly deps: BatchDeps;
  /** To the API server and the bucket, in order. */
  readonly writes: string[] = [];
  readonly #stop = new AbortController();
  readonly #manager: Manager<typeof caches>;
  readonly #close: () => Promise<void>;
  #done: Promise<void> | undefined;

  private constructor({ api, bucket }: Servers, settings: ControllerSettings) {
    const onWrite = (phase: "before" | "after", what: string): void => {
      if (this.isDead) throw new Error("this controller is dead");
      if (phase === "before") this.writes.push(what);
      const { dieAt } = settings;
      if (dieAt?.phase === phase && this.writes.length >= dieAt.write) {
        this.#stop.abort();
        throw new Error(`dies ${phase} ${what}`);
      }
    };
    const client = api.client({ onWrite });
    this.#close = () => client.close();
    this.#manager = new Manager({
      client,
      caches,
      namespaces: [],
      component: "test",
      log: quiet,
      concurrency: 4,
      baseDelayMs: 50,
      maxDelayMs: 1000,
    });
    this.deps = {
      ...this.#manager.caches,
      client,
      store: bucket.store({ onWrite }),
      config: { retentionSeconds: settings.retentionSeconds ?? 3600 },
      clock: () => Date.now() + (settings.aheadMs?.() ?? 0),
    };
    this.#manager.add(this.deps, taskBatches);
  }

  static async start(servers: Servers, settings: ControllerSettings = {}): Promise<BatchController> {
    const controller = new BatchController(servers, settings);
    const { signal } = controller.#stop;
    await controller.#manager.sync(signal);
    controller.#done = controller.#manager.lead(signal);
    return controller;
  }

  get isDead(): boolean {
    return this.#stop.signal.aborted;
  }

  get reconciles(): number {
    return this.#manager.stats().reduce((sum, { reconciles }) => sum + reconciles, 0);
  }

  /** Has it look at the batch. */
  enqueue(namespace: string, name: string): void {
    this.#manager.enqueue(taskBatches, objectKey(namespace, name));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#close();
  }
}
