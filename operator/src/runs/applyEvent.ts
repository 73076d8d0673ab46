/**
 * Any process may apply an event to a run: read, transition, write with resourceVersion; on a conflict read
 * again from the API server and re-apply. An unknown outcome of the write is settled the same way: if it
 * happened, the event is refused the second time.
 */

import type { KubeClient } from "../kube/client/client.ts";
import { KubeError } from "../kube/client/client.ts";
import { swapStatus } from "../kube/status.ts";
import { TaskRuns } from "../model/kinds.ts";
import type { TaskRun } from "../model/resources.ts";
import type { RunEvent } from "../model/run/event.ts";
import { transition } from "../model/run/transition.ts";

export type Applied =
  | { applied: TaskRun }
  /** Why, as a sentence, and the run as it is. */
  | { refused: string; run: TaskRun }
  /** There is no such run, or another one has its name. */
  | { missing: true };

/** Writers of one run are few: the controller, the API for its one pod, a user. */
const attemptLimit = 10;

export async function applyEvent(
  client: Pick<KubeClient, "get" | "replace">,
  namespace: string,
  name: string,
  event: RunEvent,
  options: { uid: string; now: () => string; timeoutMs?: number },
): Promise<Applied> {
  const { timeoutMs } = options;
  for (let attempt = 1; ; attempt++) {
    const run = await client.get(TaskRuns, namespace, name);
    if (!run || run.metadata.uid !== options.uid) return { missing: true };
    const next = transition(run, event, options.now());
    if ("refused" in next) return { refused: next.refused, run };
    try {
      return { applied: await swapStatus(client, TaskRuns, run, next.status, { timeoutMs }) };
    } catch (error) {
      if (KubeError.is(error, "NotFound")) return { missing: true };
      if (!KubeError.is(error, "Conflict") || attempt === attemptLimit) throw error;
    }
  }
}
