/** The controller dies before or after each of its writes, and another one takes over. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../hack/lib/wait.ts";
import { isBatchFinished } from "../../../operator/src/model/batch/phase.ts";
import { TaskRuns } from "../../../operator/src/model/kinds.ts";
import type { BatchItem } from "../../../operator/src/model/resources.ts";
import { stageChunk } from "../../../operator/src/storage/batchItems.ts";
import type { BatchController, ControllerSettings } from "./batchController.ts";
import { BatchWorld, startServers } from "./batchWorld.ts";

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

  constructor(world: BatchWorld, resourceVersion: string) {
    this.#done = this.#follow(world, resourceVersion).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #follow(world: BatchWorld, resourceVersion: string): Promise<void> {
    const { signal } = this.#stop;
    const options = { resourceVersion, timeoutSeconds: 300, signal };
    for await (const { type, object } of world.client.watch(TaskRuns, world.namespace, options)) {
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
  const world = await BatchWorld.create(servers);
  const { metadata } = await world.client.list(TaskRuns, world.namespace);
  const watcher = new Watcher(world, metadata.resourceVersion ?? "");
  try {
    let controller: BatchController = await world.controller({ dieAt });
    const made = await world.apply("batch", { expectedCount: items.length, maxConcurrency });
    await stageChunk(world.store, made.metadata, 0, items);
    await world.seal("batch");
    let died = false;
    await waitFor(
      "the batch has finished",
      async () => {
        if (controller.isDead && !died) {
          died = true;
          await controller.stop();
          controller = await world.controller();
        }
        const [first] = await world.open();
        if (first) await world.endRun(first.metadata.name, "Completed");
        return isBatchFinished(await world.batch("batch"));
      },
      {
        timeoutMs: 30_000,
        intervalMs: 5,
        describe: async () => JSON.stringify((await world.batch("batch")).status),
      },
    );
    const batch = await world.batch("batch");
    expect(batch.status).toMatchObject({
      phase: "PartiallyFailed",
      counts: { total: 7, created: 7, running: 0, completed: 6, failed: 1, canceled: 0 },
    });
    const results = await world.results(batch);
    expect(results.map(({ index, phase }) => `${index} ${phase}`)).toEqual(
      items.map((_, index) => `${index} ${index === 2 ? "Failed" : "Completed"}`),
    );
    expect(results.filter(({ isCached }) => isCached)).toHaveLength(1);
    const runs = await world.runs();
    await waitFor("the watcher saw all", () => watcher.uids.size >= runs.length, { timeoutMs: 5_000 });
    expect([...watcher.uids.values()].sort()).toEqual(runs.map((run) => run.metadata.name).sort());
    expect(runs).toHaveLength(5);
    expect(watcher.most).toBeLessThanOrEqual(maxConcurrency);
    return died || controller.isDead;
  } finally {
    await watcher.stop();
    await world.end();
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
