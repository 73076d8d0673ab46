/** A namespace with batches, and what acts on them beside the controller: users, and the end of runs. */
import { randomBytes } from "node:crypto";
import { waitFor } from "../../../hack/lib/wait.ts";
import { type KubeClient, KubeError } from "../../../operator/src/kube/client/client.ts";
import { Namespaces } from "../../../operator/src/kube/resources.ts";
import type { BatchResult } from "../../../operator/src/model/batch/item.ts";
import { isBatchFinished } from "../../../operator/src/model/batch/phase.ts";
import { TaskBatches, TaskRuns } from "../../../operator/src/model/kinds.ts";
import {
  apiVersion,
  type ObjectMeta,
  type Phase,
  type TaskBatch,
  type TaskBatchSpec,
  type TaskRun,
} from "../../../operator/src/model/resources.ts";
import { isFinished } from "../../../operator/src/model/run/phase.ts";
import { readResults } from "../../../operator/src/storage/batchItems.ts";
import type { ObjectStore } from "../../../operator/src/storage/objectStore.ts";
import { ApiServer } from "../../support/servers/apiServer.ts";
import { ObjectStoreServer } from "../../support/servers/objectStoreServer.ts";
import { BatchController, type ControllerSettings, type Servers } from "./batchController.ts";

export async function startServers(): Promise<Servers & { stop(): Promise<void> }> {
  const [api, bucket] = await Promise.all([ApiServer.start(), ObjectStoreServer.start()]);
  return { api, bucket, stop: async () => void (await Promise.all([api.stop(), bucket.stop()])) };
}

export class BatchHarness {
  readonly namespace = `batches-${randomBytes(4).toString("hex")}`;
  readonly client: KubeClient;
  readonly store: ObjectStore;
  readonly #servers: Servers;
  readonly #controllers: BatchController[] = [];

  private constructor(servers: Servers) {
    this.#servers = servers;
    this.client = servers.api.client();
    this.store = servers.bucket.store();
  }

  static async create(servers: Servers): Promise<BatchHarness> {
    const harness = new BatchHarness(servers);
    await harness.client.create(Namespaces, undefined, { metadata: { name: harness.namespace } });
    return harness;
  }

  async startController(settings?: ControllerSettings): Promise<BatchController> {
    const started = await BatchController.start(this.#servers, settings);
    this.#controllers.push(started);
    return started;
  }

  async close(): Promise<void> {
    for (const one of this.#controllers.splice(0)) await one.stop();
    await this.client.close();
  }

  async apply(name: string, spec: TaskBatchSpec, labels?: Record<string, string>): Promise<TaskBatch> {
    const metadata = { name, namespace: this.namespace, labels } as ObjectMeta;
    return this.client.create(TaskBatches, this.namespace, {
      ...{ apiVersion, kind: "TaskBatch", metadata, spec },
    });
  }

  async loadBatch(name: string): Promise<TaskBatch> {
    const found = await this.client.get(TaskBatches, this.namespace, name);
    if (!found) throw new Error(`TaskBatch ${name} does not exist`);
    return found;
  }

  change(name: string, spec: object): Promise<TaskBatch> {
    return this.client.patch(TaskBatches, this.namespace, name, { spec }, { type: "merge" });
  }

  /** As the API does when it has received the last item. */
  async seal(name: string): Promise<void> {
    const status = { sealedAt: new Date().toISOString() };
    await this.client.patch(
      TaskBatches,
      this.namespace,
      name,
      { status },
      { type: "merge", subresource: "status" },
    );
  }

  async listRuns(): Promise<TaskRun[]> {
    return (await this.client.list(TaskRuns, this.namespace)).items;
  }

  async listOpenRuns(): Promise<TaskRun[]> {
    return (await this.listRuns()).filter((run) => !isFinished(run));
  }

  async endRun(name: string, phase: Phase, more: object = {}): Promise<void> {
    const status = { phase, finishedAt: new Date().toISOString(), ...more };
    const options = { type: "merge", subresource: "status" } as const;
    await this.client.patch(TaskRuns, this.namespace, name, { status }, options);
  }

  /** The batch once it fits. */
  until(
    name: string,
    what: string,
    fits: (batch: TaskBatch) => boolean,
    timeoutMs = 20_000,
  ): Promise<TaskBatch> {
    let last: TaskBatch | undefined;
    return waitFor(
      `TaskBatch ${name} ${what}`,
      async () => {
        last = await this.loadBatch(name);
        return fits(last) && last;
      },
      { timeoutMs, intervalMs: 20, describe: () => JSON.stringify(last?.status, undefined, 1) },
    );
  }

  untilFinished(name: string, timeoutMs?: number): Promise<TaskBatch> {
    return this.until(name, "has finished", isBatchFinished, timeoutMs);
  }

  untilRunsOpen(count: number): Promise<TaskRun[]> {
    let last: TaskRun[] = [];
    return waitFor(
      `${count} runs are open`,
      async () => {
        last = await this.listOpenRuns();
        return last.length === count && last;
      },
      { timeoutMs: 20_000, intervalMs: 20, describe: () => `${last.length} are` },
    );
  }

  async loadResults(batch: TaskBatch): Promise<BatchResult[]> {
    if (!batch.status?.resultsRef) throw new Error("there are no results");
    const results = await readResults(this.store.of(this.namespace), batch.status.resultsRef);
    if (!results) throw new Error("the results are not in the bucket");
    return results;
  }

  async deleteRun(name: string): Promise<void> {
    await this.client.delete(TaskRuns, this.namespace, name);
  }
}

/** The API server's refusal. */
export const refusalOf = (error: unknown): string =>
  error instanceof KubeError && error.status === 422 ? error.message : `no refusal: ${error}`;
