/**
 * A client of the API's batch endpoints, which also writes what the controller would write into a batch's
 * status.
 */
import { expect } from "vitest";
import { publicToken } from "../../operator/src/api/auth/auth.ts";
import { TaskBatches } from "../../operator/src/model/kinds.ts";
import type { BatchItem, TaskBatch, TaskBatchStatus } from "../../operator/src/model/resources.ts";
import { readItems } from "../../operator/src/storage/batchItems.ts";
import { type ApiReplica, key, namespace } from "./servers/apiReplica.ts";

type Answer = Record<string, unknown> & { id: string };
type Headers = Record<string, string>;

/** The resource's name for an id of the API. */
export const nameOf = (id: string): string => id.replace(/^batch_/, "");

/** Items as lines of JSON, each for the task `echo` unless it says otherwise. */
export const linesOf = (items: readonly object[]): string =>
  items.map((item, index) => `${JSON.stringify({ index, task: "echo", ...item })}\n`).join("");

/** The headers of a client that has a single-use token. */
export async function singleUseToken(...scopes: string[]): Promise<Headers> {
  const token = await publicToken({ namespace, key }, scopes, { oneTime: true });
  return { authorization: `Bearer ${token}` };
}

export class BatchClient {
  readonly #api: ApiReplica;

  constructor(api: ApiReplica) {
    this.#api = api;
  }

  async send(
    path: string,
    body: unknown,
    headers: Headers = {},
  ): Promise<{ status: number; answer: Answer }> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await this.#api.fetch(path, { method: "POST", body: text, headers });
    return { status: response.status, answer: (await response.json()) as Answer };
  }

  /** The answer to a request that must be accepted. */
  async post(path: string, body: unknown, headers?: Headers): Promise<Answer> {
    const { status, answer } = await this.send(path, body, headers);
    expect(status, JSON.stringify(answer)).toBeLessThan(300);
    return answer;
  }

  async read(path: string): Promise<Answer> {
    return (await (await this.#api.fetch(path)).json()) as Answer;
  }

  create(body: object): Promise<Answer> {
    return this.post("/api/v3/batches", body);
  }

  sendItems(id: string, lines: string, headers: Headers = {}): Promise<{ status: number; answer: Answer }> {
    const type = { "content-type": "application/x-ndjson" };
    return this.send(`/api/v3/batches/${id}/items`, lines, { ...type, ...headers });
  }

  async createSealed(items: readonly object[]): Promise<TaskBatch> {
    const { id } = await this.create({ runCount: items.length });
    expect((await this.sendItems(id, linesOf(items))).answer).toMatchObject({ sealed: true });
    return this.load(id);
  }

  async load(id: string): Promise<TaskBatch> {
    const batch = await this.#api.client.get(TaskBatches, namespace, nameOf(id));
    if (!batch) throw new Error(`${id} does not exist`);
    return batch;
  }

  async loadItems(batch: TaskBatch): Promise<(BatchItem | undefined)[]> {
    const items = [];
    for await (const { item } of readItems(this.#api.store, batch)) items.push(item);
    return items;
  }

  /** As the controller does. */
  async setStatus(id: string, status: TaskBatchStatus): Promise<void> {
    const options = { type: "merge", subresource: "status" } as const;
    await this.#api.client.patch(TaskBatches, namespace, nameOf(id), { status }, options);
  }

  abort(id: string): Promise<void> {
    return this.setStatus(id, { phase: "Aborted", message: "Not all items were received." });
  }
}
