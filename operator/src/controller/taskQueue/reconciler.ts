/**
 * A queue's settings, as its TaskQueue has them, go to admission. Keys are the names that runs call queues
 * by.
 */
import { done, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { settingsOf } from "../../model/queue/governing.ts";
import type { Deps } from "../deps.ts";
import { queueOf } from "./lookup.ts";

export type QueueSettingsDeps = Pick<Deps, "queues" | "admission">;

export async function reconcileTaskQueue(deps: QueueSettingsDeps, key: string): Promise<Requeue> {
  const [namespace, name] = splitKey(key);
  applySettings(deps, namespace, name);
  return done;
}

/** Also for a queue without a TaskQueue: it has no limit and is not paused. */
export function applySettings(deps: QueueSettingsDeps, namespace: string, name: string): void {
  deps.admission.setQueueLimit(namespace, { name, ...settingsOf(queueOf(deps, namespace, name)) });
}
