/** The controller dies before or after each of its writes, and another one takes over. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { isBatchFinished } from "../../../operator/src/model/batch/phase.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { BatchItem } from "../../../operator/src/model/resources.ts";
import { stageChunk } from "../../../operator/src/storage/batchItems.ts";
import type { BatchController, ControllerSettings } from "./batchController.ts";
import { BatchHarness, startServers } from "./batchHarness.ts";

let servers: Awaited<ReturnType<typeof startServers>>;
beforeAll(async () => {
  servers = await startServers();
});
afterAll(() => servers?.stop());

const maxConcurrency = 3;
/** One is invalid, two share a key, one has a large payload. */
const items: BatchItem[] = [
  { task: "work" },
  { task: "work", idempotencyKey: "k" },
  { task: "work", container: { image: "i" } },
  { task: "work", payload: "x".repeat(10_000) },
  { task: "work", idempotencyKey: "k" },
  { task: "work" },
  { task: "work" },
];

/**
 * All runs that ever existed, and the most that were unfinished at once, in the API server's order of events.
 */
class Watcher {
  readonly uids = new Map<string, string>();
  most = 0;
  readonly #open = new Set<string>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(harness: BatchHarness, resourceVersion: string) {
    this.#done = this.#follow(harness, resourceVersion).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #follow(harness: BatchHarness, resourceVersion: string): Promise<void> {
    const { signal } = this.#stop;
    const options = { resourceVersion, timeoutSeconds: 300, signal };
    for await (const { type, object } of harness.client.watch(TaskRuns, harness.namespace, options)) {
      if (type === "BOOKMARK") continue;
      const { uid, name } = object.metadata;
      this.uids.set(uid, name);
      if (type === "DELETED" || object.status?.phase === "Completed") this.#open.delete(uid);
      else this.#open.add(uid);
      this.most = Math.max(this.most, this.#open.size);
    }
  }
}

/** Runs a batch with a controller that dies and a successor; resolves to whether the first one died. */
async function runBatch(dieAt: ControllerSettings["dieAt"]): Promise<boolean> {
  const harness = await BatchHarness.create(servers);
  const { metadata } = await harness.client.list(TaskRuns, harness.namespace);
  const watcher = new Watcher(harness, metadata.resourceVersion ?? "");
  try {
    let controller: BatchController = await harness.startController({ dieAt });
    const made = await harness.apply("batch", { expectedCount: items.length, maxConcurrency });
    await stageChunk(harness.store, made.metadata, 0, items);
    await harness.seal("batch");
    let died = false;
    await waitFor(
      "the batch has finished",
      async () => {
        if (controller.isDead && !died) {
          died = true;
          await controller.stop();
          controller = await harness.startController();
        }
        const [first] = await harness.listOpenRuns();
        if (first) await harness.endRun(first.metadata.name, "Completed");
        return isBatchFinished(await harness.loadBatch("batch"));
      },
      {
        timeoutMs: 30_000,
        intervalMs: 5,
        describe: async () => JSON.stringify((await harness.loadBatch("batch")).status),
      },
    );
    const batch = await harness.loadBatch("batch");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      counts: { total: 7, created: 7, running: 0, completed: 6, failed: 1, canceled: 0 },
    });
    const results = await harness.loadResults(batch);
    expect(results.map(({ index, phase }) => `${index} ${phase}`)).toEqual(
      items.map((_, index) => `${index} ${index === 2 ? "Failed" : "Completed"}`),
    );
    expect(results.filter(({ isCached }) => isCached)).toHaveLength(1);
    const runs = await harness.listRuns();
    await waitFor("the watcher saw all", () => watcher.uids.size >= runs.length, { timeoutMs: 5_000 });
    expect([...watcher.uids.values()].sort()).toEqual(runs.map((run) => run.metadata.name).sort());
    expect(runs).toHaveLength(5);
    expect(watcher.most).toBeLessThanOrEqual(maxConcurrency);
    return died || controller.isDead;
  } finally {
    await watcher.stop();
    await harness.close();
  }
}

test.each(["before", "after"] as const)(
  "a controller that dies %s each write duplicates and loses nothing",
  async (phase) => {
    let write = 1;
    while (await runBatch({ write, phase })) write += 1;
    expect(write).toBeGreaterThan(10);
  },
);
