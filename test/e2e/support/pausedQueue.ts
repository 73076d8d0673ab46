/** A pause is there when the controller has seen it: a run that is triggered in the same moment may be faster. */
import { waitFor } from "../../../hack/lib/wait.ts";
import { nameOfQueue, type TaskQueue } from "../../../operator/src/model/resources.ts";
import type { TestNamespace } from "./kubectl.ts";

/** Resolves when the queue of that name keeps its runs waiting. */
export async function untilPaused(ns: TestNamespace, name: string): Promise<void> {
  await waitFor(
    `queue ${name} is paused`,
    async () => {
      const text = await ns.kubectl("get", "taskqueues", "-o", "json");
      const { items } = JSON.parse(text) as { items: TaskQueue[] };
      return items.some((queue) => nameOfQueue(queue) === name && queue.status?.paused);
    },
    { timeoutMs: 30_000, intervalMs: 200 },
  );
}
