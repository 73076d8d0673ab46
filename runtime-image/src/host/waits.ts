/**
 * The slot "runtime": how a task waits. The SDK tells the API first what the run waits for, and then calls
 * one of these, so that a result may be there before anybody waits for it. onWait runs before, onResume
 * after. Several waits at once are allowed.
 *
 * What really waits is a `Waiting` (runtime-image/src/waiting/).
 */
import type { Hooks, Wait } from "./hooks.ts";

/** What a task waited for gave, as the SDK reads it. */
export type TaskResult =
  | { ok: true; id: string; output?: string; outputType: string; taskIdentifier?: string }
  | { ok: false; id: string; error: object; taskIdentifier?: string };

export interface BatchResult {
  id: string;
  /** In the order of the batch's items. */
  items: TaskResult[];
}

interface WaitpointResult {
  /** False when a token's time ran out: then `output` is JSON with a `message`. */
  ok: boolean;
  output?: string;
  outputType?: string;
}

/** All reject when the wait cannot end (the attempt is not current any more, there is no room). */
export interface Waiting {
  /** `runId`: `run_…`. */
  task(runId: string): Promise<TaskResult>;
  /** `batchId`: `batch_…`; `runCount` is above 0. */
  batch(batchId: string, runCount: number): Promise<BatchResult>;
  /** `finishDate` is given for a wait for a time, and not for a token. */
  waitpoint(waitpointId: string, finishDate?: Date): Promise<WaitpointResult>;
}

interface WithId {
  id: string;
}

export function runtimeSlot(waiting: Waiting, hooks: Hooks) {
  async function around<T>(wait: Wait, work: () => Promise<T>): Promise<T> {
    await hooks.call("Wait", wait);
    const result = await work();
    await hooks.call("Resume", wait);
    return result;
  }
  return {
    waitForTask: ({ id }: WithId): Promise<TaskResult> =>
      around({ type: "task", runId: id }, () => waiting.task(id)),
    waitForBatch: async ({ id, runCount }: WithId & { runCount: number }): Promise<BatchResult> =>
      runCount === 0
        ? { id, items: [] }
        : around({ type: "batch", batchId: id, runCount }, () => waiting.batch(id, runCount)),
    waitForWaitpoint: ({
      waitpointFriendlyId: id,
      finishDate,
    }: {
      waitpointFriendlyId: string;
      finishDate?: Date;
    }): Promise<WaitpointResult> =>
      around(finishDate ? { type: "duration", date: finishDate } : { type: "token", token: id }, () =>
        waiting.waitpoint(id, finishDate),
      ),
    disable(): void {},
  };
}
