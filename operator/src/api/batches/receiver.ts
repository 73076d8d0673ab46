/**
 * The items of a batch on their way in, in any order: staged in the bucket in whole chunks that are never
 * overwritten; the batch is sealed when all are there. A stream that breaks off leaves whole chunks in the
 * bucket; the client sends all of it again, and what is stored already counts as a duplicate.
 */
import { batchId } from "@fairlead/protocol/ids";
import { maxBatchItems, maxPayloadBytes } from "@fairlead/protocol/limits";
import type { Request } from "express";
import { z } from "zod";
import type { KubeClient } from "../../kube/client/client.ts";
import { splitLines } from "../../lib/splitLines.ts";
import { TaskBatches } from "../../model/kinds.ts";
import type { BatchItem, TaskBatch } from "../../model/resources.ts";
import { chunkSize, receivedPayloadKey, stageChunk } from "../../storage/batchItems.ts";
import type { ObjectStore } from "../../storage/objectStore.ts";
import { withOwnKeys } from "../auth/ownNames.ts";
import { demand, refuseQueueLimit } from "../auth/rights.ts";
import { bytesOf, parseText, refuseCompressed } from "../http/body.ts";
import { bodiesIn, type Reservation } from "../http/bodyBudget.ts";
import type { Caller } from "../http/caller.ts";
import { check } from "../http/input.ts";
import { Problem } from "../http/problem.ts";
import { findPacket } from "../packets.ts";
import { payloadOf, specOf, triggerBody } from "../runs/wire/triggerBody.ts";

interface ReceiverDeps {
  client: Pick<KubeClient, "patch">;
  store: ObjectStore;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

/** A batch is of all the tasks of its items. */
export const demandTask = (caller: Caller, task: string): void =>
  demand(caller, "batchTrigger", { tasks: task });

/** A batch that was aborted takes no items any more. */
export function refuseAborted({ metadata, status }: TaskBatch): void {
  if (status?.phase !== "Aborted") return;
  throw new Problem(
    422,
    `${batchId(metadata.name)} was aborted: ${status.message ?? "create another batch"}`,
  );
}

const item = triggerBody.extend({
  index: z
    .int()
    .min(0)
    .max(maxBatchItems - 1),
  task: z.string().min(1).max(128),
});

type ReceivedItem = z.infer<typeof item>;

export class BatchReceiver {
  readonly #deps: ReceiverDeps;
  readonly #batch: TaskBatch;
  readonly #caller: Caller;
  readonly #total: number;
  /** Numbers of the chunks that are in the bucket. */
  readonly #staged = new Set<number>();
  readonly #chunks = new Map<number, Map<number, BatchItem>>();
  #bytes = 0;
  #accepted = 0;
  #duplicates = 0;

  constructor(deps: ReceiverDeps, batch: TaskBatch, caller: Caller) {
    this.#deps = deps;
    this.#caller = caller;
    this.#batch = batch;
    this.#total = batch.spec.expectedCount ?? 0;
  }

  async take({ index, task, payload, options: given = {} }: ReceivedItem): Promise<void> {
    const options = withOwnKeys(this.#caller, given);
    if (index >= this.#total)
      throw new Problem(
        422,
        `items.${index}: not in the batch, which was created for ${this.#total} items: indexes begin with 0`,
      );
    demandTask(this.#caller, task);
    refuseQueueLimit(this.#caller, options);
    if (options.debounce)
      throw new Problem(
        422,
        `items.${index}.options.debounce: not supported in a batch: trigger this run alone`,
      );
    const fields = await this.#payloadFields(index, payloadOf(payload, options));
    const chunk = Math.floor(index / chunkSize);
    const items = this.#chunks.get(chunk) ?? new Map<number, BatchItem>();
    this.#chunks.set(chunk, items);
    if (items.has(index)) this.#duplicates++;
    const waits = { resumeParentOnCompletion: this.#batch.spec.parent?.waits };
    items.set(index, { task, ...specOf({ ...options, ...waits }, this.#deps.clock()), ...fields });
    if (items.size < Math.min(chunkSize, this.#total - chunk * chunkSize)) return;
    await this.#stage(chunk, items);
  }

  async end(): Promise<{
    itemsAccepted: number;
    itemsDeduplicated: number;
    sealed: boolean;
    expectedCount: number;
  }> {
    const sealed = this.#staged.size === Math.ceil(this.#total / chunkSize);
    const { namespace, name, uid } = this.#batch.metadata;
    if (sealed && !this.#batch.status?.sealedAt) {
      // The uid: of this batch, not of another one that has its name by now.
      const seal = {
        metadata: { uid },
        status: { sealedAt: new Date(this.#deps.clock()).toISOString() },
      };
      const options = { type: "merge", subresource: "status" } as const;
      // It may have come to its end while the items came.
      refuseAborted(await this.#deps.client.patch(TaskBatches, namespace, name, seal, options));
    }
    return {
      itemsAccepted: this.#accepted,
      itemsDeduplicated: this.#duplicates,
      sealed,
      expectedCount: this.#total,
    };
  }

  async #stage(chunk: number, items: Map<number, BatchItem>): Promise<void> {
    const inOrder = [...items].sort(([a], [b]) => a - b).map(([, one]) => one);
    const outcome = await stageChunk(this.#deps.store, this.#batch.metadata, chunk, inOrder);
    if (outcome === "stored") this.#accepted += inOrder.length;
    else this.#duplicates += inOrder.length;
    this.#staged.add(chunk);
    this.#chunks.set(chunk, new Map());
  }

  /** A payload that the client uploaded counts with its real size. */
  async #payloadFields(
    index: number,
    { text, type, storagePath }: ReturnType<typeof payloadOf>,
  ): Promise<Partial<BatchItem>> {
    const packet =
      storagePath === undefined ? undefined : await findPacket(this.#deps.store, this.#caller, storagePath);
    this.#bytes += packet?.size ?? Buffer.byteLength(text ?? "");
    if (this.#bytes > maxPayloadBytes) {
      throw new Problem(
        413,
        `items: their payloads have more than ${maxPayloadBytes} bytes (10 MB) together: make several batches`,
      );
    }
    if (packet) {
      const key = receivedPayloadKey(this.#batch.metadata, index);
      await this.#deps.store.of(this.#caller.namespace).copy(packet.key, key);
      return { payloadRef: { key, size: packet.size }, payloadType: packet.type };
    }
    return text === undefined ? {} : { payloadData: text, payloadType: type };
  }
}

/** The items of a request, one JSON object per line. */
export async function* itemsOf(request: Request, maxBytes: number): AsyncGenerator<ReceivedItem> {
  refuseCompressed(request);
  const held = bodiesIn(request).open(request);
  try {
    const bytes = withLastLine(bytesOf(request, held, maxBytes));
    for await (const line of splitLines(bytes, maxBytes)) {
      if (line.trim() !== "") yield parseLine(line, held, maxBytes);
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_ENCODING_INVALID_ENCODED_DATA") throw error;
    throw new Problem(400, "items: a line is not valid UTF-8: send JSON in UTF-8");
  }
}

/** Reads and drops items: a client that is still sending does not read the answer. */
export async function drainItems(request: Request, maxBytes: number): Promise<void> {
  const free = { add: () => undefined, keepPace: async () => undefined };
  for await (const _part of bytesOf(request, free, maxBytes));
}

/** The stream with a newline after its last line. */
async function* withLastLine(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stream;
  yield Buffer.from("\n");
}

const parseLine = (line: string, held: Reservation, maxBytes: number): ReceivedItem =>
  check(item, parseText(line, "items: a line", held, maxBytes), "item");
