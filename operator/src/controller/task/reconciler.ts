/**
 * A Task: the queue and the schedule that it declares exist as resources, and its status says which version a
 * run would execute now and whether runs of its id execute this Task: not when the pod policy refuses it.
 */
import { explainRefusals, forbiddenReason, type Refusal, refusalsOfTask } from "../../jobs/podPolicy.ts";
import { type PolicySource, policyIn } from "../../jobs/podPolicySettings.ts";
import { done, type Requeue } from "../../kube/manager/requeue.ts";
import { splitKey } from "../../kube/resources.ts";
import { replaceStatus } from "../../kube/status.ts";
import { setCondition, type WantedCondition } from "../../model/conditions.ts";
import { Tasks } from "../../model/kinds.ts";
import { idOfTask, type Task, type TaskStatus } from "../../model/resources.ts";
import { type Deps, isoNow } from "../deps.ts";
import { ensureQueueOfTask } from "../taskQueue/ensureQueue.ts";
import { taskOf } from "./lookup.ts";
import { ensureTaskSchedule } from "./ownSchedule.ts";
import { versionOf } from "./taskVersions.ts";

export type TaskDeps = Pick<
  Deps,
  "client" | "tasks" | "queues" | "schedules" | "admission" | "clock" | "log"
> & { config?: PolicySource };

export async function reconcileTask(deps: TaskDeps, key: string): Promise<Requeue> {
  const [namespace, name] = splitKey(key);
  const task = deps.tasks.get(namespace, name);
  if (!task || task.metadata.deletionTimestamp) return done;
  await ensureQueueOfTask(deps, task);
  const problem = await ensureTaskSchedule(deps, task);
  const chosen = taskOf(deps, namespace, idOfTask(task));
  const refusals = refusalsOfTask(task.spec, policyIn(namespace, deps.config));
  const ready = readiness(task, chosen, refusals, problem);
  const status = statusOf(task, ready, isoNow(deps));
  await replaceStatus(deps.client, deps.tasks, Tasks, task, status);
  return done;
}

function statusOf(task: Task, ready: WantedCondition, now: string): TaskStatus {
  const { generation } = task.metadata;
  return {
    ...task.status,
    observedGeneration: generation,
    version: versionOf(task),
    conditions: setCondition(task.status?.conditions, ready, now, generation),
  };
}

/**
 * `chosen`: the Task that runs of this id execute. `problem`: why the Task's schedule could not be written.
 */
function readiness(
  task: Task,
  chosen: Task | undefined,
  refusals: readonly Refusal[],
  problem: string | undefined,
): WantedCondition {
  const id = idOfTask(task);
  const type = "Ready";
  if (chosen && chosen.metadata.uid !== task.metadata.uid) {
    const message = `spec.id: Task ${chosen.metadata.name} has the id ${id} already: give this one another spec.id.`;
    return { type, isTrue: false, reason: "DuplicateId", message };
  }
  if (refusals.length > 0)
    return { type, isTrue: false, reason: forbiddenReason, message: explainRefusals(refusals) };
  if (problem !== undefined) return { type, isTrue: false, reason: "ScheduleNameTaken", message: problem };
  return { type, isTrue: true, reason: "Accepted", message: `Runs of ${id} execute this Task.` };
}
