/**
 * A Task's status: the version that a run started now would execute, and whether it can.
 * Runs that wait for this Task are looked at again.
 */
import { isDeepStrictEqual } from "node:util";
import { KubeError } from "../../kube/client/client.ts";
import { Tasks } from "../../model/kinds.ts";
import { idOfTask, type Task, type TaskStatus } from "../../model/resources.ts";
import { isoNow, keyOf, type RunDeps, splitKey } from "../deps.ts";
import { ensureQueueOfTask } from "../taskQueue/reconciler.ts";
import { taskOf } from "./lookup.ts";
import { ensureTaskSchedule } from "./ownSchedule.ts";
import { versionOf } from "./taskVersions.ts";

type Condition = NonNullable<TaskStatus["conditions"]>[number];

export async function reconcileTask(deps: RunDeps, key: string): Promise<void> {
  const [namespace, name] = splitKey(key);
  const task = deps.tasks.get(namespace, name);
  if (!task || task.metadata.deletionTimestamp) return;
  for (const run of deps.runs.byIndex("parked", `${namespace}/${idOfTask(task)}`)) deps.queue.add(keyOf(run));
  await ensureQueueOfTask(deps, task);
  const problem = await ensureTaskSchedule(deps, task);
  const status = statusOf(task, taskOf(deps, namespace, idOfTask(task)), isoNow(deps), problem);
  if (isDeepStrictEqual(task.status, status)) return;
  const { apiVersion, kind, metadata } = task;
  const body = { apiVersion, kind, metadata, status } as Task;
  try {
    const written = await deps.client.replace(Tasks, namespace, name, body, { subresource: "status" });
    deps.tasks.upsertFromWrite(written);
  } catch (error) {
    // A newer Task is on its way through the watch.
    if (!KubeError.is(error, "Conflict") && !KubeError.is(error, "NotFound")) throw error;
  }
}

/** `chosen`: the Task that runs of this id execute. */
export function statusOf(task: Task, chosen: Task | undefined, now: string, problem?: string): TaskStatus {
  const isChosen = !chosen || chosen.metadata.uid === task.metadata.uid;
  const ready: Condition = {
    type: "Ready",
    status: isChosen ? "True" : "False",
    reason: isChosen ? "Accepted" : "DuplicateId",
    message: isChosen
      ? `Runs of ${idOfTask(task)} execute this Task.`
      : `Task ${chosen.metadata.name} has the id ${idOfTask(task)} already: give this one another spec.id.`,
    lastTransitionTime: now,
    observedGeneration: task.metadata.generation,
  };
  if (problem && isChosen)
    Object.assign(ready, { status: "False", reason: "ScheduleNameTaken", message: problem });
  const before = task.status?.conditions?.find((c) => c.type === "Ready");
  if (before?.status === ready.status) ready.lastTransitionTime = before.lastTransitionTime;
  return {
    ...task.status,
    observedGeneration: task.metadata.generation,
    version: versionOf(task),
    conditions: [ready],
  };
}
