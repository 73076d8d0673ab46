/**
 * A run as it changes: the API's event stream, opened again when it breaks off. Ends with the run's end.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Api, path, send, statusOfError } from "./api.ts";
import { parseExact } from "./exactJson.ts";

/** A run as the API tells it. */
export interface Run {
  id: string;
  status: string;
  taskIdentifier: string;
  version?: string;
  isCompleted: boolean;
  isSuccess: boolean;
  createdAt: string;
  startedAt?: string;
  finishedAt?: string;
  tags: string[];
  durationMs: number;
  attemptCount?: number;
  payload?: unknown;
  output?: unknown;
  outputPresignedUrl?: string;
  metadata?: unknown;
  error?: { name?: string; message: string; stackTrace?: string };
  waiting?: { reason?: string; message?: string };
}

const reopenMs = 1_000;
const reopenLimit = 30;

export async function* changesOf(
  api: Api,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<Run, void, undefined> {
  for (let failures = 0; ; ) {
    try {
      for await (const text of eventsOf(api, id, signal)) {
        failures = 0;
        const run = parseExact(text) as Run;
        yield run;
        if (run.isCompleted) return;
      }
    } catch (error) {
      const status = statusOfError(error);
      const isFinal = status !== undefined && status < 500 && status !== 429;
      if (isFinal || signal?.aborted || ++failures > reopenLimit) throw error;
    }
    await pause(reopenMs, undefined, { signal });
  }
}

/** The run once it has ended. `onChange` gets every state on the way. */
export async function untilEnd(api: Api, id: string, onChange?: (run: Run) => void): Promise<Run> {
  for await (const run of changesOf(api, id)) {
    onChange?.(run);
    if (run.isCompleted) return run;
  }
  throw new Error(`the stream of ${id} ended before the run`);
}

async function* eventsOf(
  api: Api,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const { body } = await send(api, { path: path`/realtime/fairlead/v1/runs/${id}`, signal });
  let rest = "";
  for await (const part of (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(
    new TextDecoderStream(),
  )) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice("data: ".length);
  }
}
