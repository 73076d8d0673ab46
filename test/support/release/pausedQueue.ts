/** A pause is there when the controller has seen it: a run that is triggered in the same moment may be faster. */
import { waitFor } from "../../../hack/lib/wait.ts";
import { TaskQueues } from "../../../operator/src/model/kinds.ts";
import { nameOfQueue } from "../../../operator/src/model/resources.ts";
import type { TestNamespace } from "./testNamespace.ts";

/** Resolves when the queue of that name keeps its runs waiting. */
export async function untilPaused(ns: TestNamespace, name: string): Promise<void> {
  await waitFor(
    `queue ${name} is paused`,
    async () => {
      const items = await ns.list(TaskQueues);
      return items.some((queue) => nameOfQueue(queue) === name && queue.status?.paused);
    },
    { timeoutMs: 30_000, intervalMs: 200 },
  );
}
