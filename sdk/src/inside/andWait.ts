/**
 * Waiting for other runs: how they ended comes back as a value; a failed one throws only on `unwrap()`. The
 * host of the task waits (slot "runtime"); the run has no slot of its queue meanwhile.
 */

import { restored } from "../client/packet.ts";
import { request, segment } from "../client/request.ts";
import { fetchValue } from "../client/runs.ts";
import { slot } from "../slots.ts";
import type { BatchRunResult, RunResult } from "../types.ts";
import { currentContext } from "./context.ts";

/** How a run ended, as the host tells it. */
interface WireResult {
  ok: boolean;
  id: string;
  output?: string;
  outputType?: string;
  taskIdentifier?: string;
  error?: { name?: string; message?: string; stackTrace?: string };
}

interface RuntimeSlot {
  waitForTask(run: { id: string }): Promise<WireResult>;
  waitForBatch(batch: { id: string; runCount: number }): Promise<{ id: string; items: WireResult[] }>;
  waitForWaitpoint(waitpoint: {
    waitpointFriendlyId: string;
    finishDate?: Date;
  }): Promise<{ ok: boolean; output?: string; outputType?: string }>;
}

/** The host; `what` is said when there is none. */
export function hostFor(what: string): RuntimeSlot {
  const host = slot<RuntimeSlot>("runtime");
  if (host && currentContext()) return host;
  throw new Error(`${what} can only be used from inside a task's run: outside, trigger and poll`);
}

export async function runResult<TOutput>(id: string, task: string): Promise<RunResult<TOutput>> {
  return resultOf(await hostFor("triggerAndWait").waitForTask({ id }), task);
}

export async function batchResult<TOutput>(
  id: string,
  runCount: number,
  tasks: readonly string[],
): Promise<BatchRunResult<TOutput>> {
  const { items } = await hostFor("batchTriggerAndWait").waitForBatch({ id, runCount });
  const runs = await Promise.all(items.map((item, index) => resultOf<TOutput>(item, tasks[index] ?? "")));
  return { id, runs };
}

async function resultOf<TOutput>(wire: WireResult, task: string): Promise<RunResult<TOutput>> {
  const { id, taskIdentifier = task } = wire;
  if (wire.ok) return { ok: true, id, taskIdentifier, output: (await outputOf(wire)) as TOutput };
  const { name = "Error", message = "", stackTrace } = wire.error ?? {};
  const error = Object.assign(new Error(message), { name });
  if (stackTrace) error.stack = stackTrace;
  return { ok: false, id, taskIdentifier, error };
}

/** An output as the value that it was; a long one is fetched. */
export async function outputOf({
  output,
  outputType = "",
}: Pick<WireResult, "output" | "outputType">): Promise<unknown> {
  if (output === undefined) return undefined;
  if (outputType === "application/store") {
    const path = output
      .split("/")
      .map((part) => segment(part))
      .join("/");
    const { body } = await request<{ presignedUrl: string }>({
      method: "GET",
      path: `/api/v1/packets/${path}`,
    });
    return fetchValue(body.presignedUrl, {});
  }
  if (!outputType.includes("json")) return output;
  const value = JSON.parse(output);
  return outputType.includes("super+json") ? restored(value.json, value.meta) : value;
}
