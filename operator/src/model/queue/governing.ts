/**
 * Which queue a run is in, and which TaskQueue governs it. Its settings are the override that the API wrote
 * (`status.override`), then the spec. A declared TaskQueue wins over one that was created for a Task or for a
 * limit given at trigger time; of those of one kind the oldest wins.
 */
import { originLabel } from "@fairlead/protocol/labels";
import { idOfTask, nameOfQueue, type Task, type TaskQueue, type TaskRun } from "../resources.ts";

/** The queue of an inline container that names none. */
const containerQueue = "container";

export const defaultQueueOf = (taskId: string): string => `task/${taskId}`;

/** `task` is undefined when it is unknown: then the run is inadmissible, or its queue is fixed already. */
export function queueNameOf(run: TaskRun, task: Task | undefined): string {
  const { spec, status } = run;
  const chosen = status?.queue ?? spec.queue?.name;
  if (chosen !== undefined) return chosen;
  if (spec.task === undefined) return containerQueue;
  return task ? queueOfTask(task) : defaultQueueOf(spec.task);
}

export const queueOfTask = (task: Task): string => task.spec.queue?.name ?? defaultQueueOf(idOfTask(task));

interface QueueSettings {
  /** Undefined: none. */
  limit?: number;
  paused: boolean;
}

export function settingsOf(queue: TaskQueue | undefined): QueueSettings {
  const override = queue?.status?.override;
  return {
    limit: override?.concurrencyLimit ?? queue?.spec.concurrencyLimit,
    paused: override?.paused ?? queue?.spec.paused ?? false,
  };
}

/** Whether a change of a TaskQueue leaves its queue as it was: numbers of runs in its status may differ. */
export function haveSameSettings(before: TaskQueue, after: TaskQueue): boolean {
  const relevant = (queue: TaskQueue) => {
    const { limit, paused } = settingsOf(queue);
    return JSON.stringify([
      queue.metadata.uid,
      isDeclared(queue.metadata),
      nameOfQueue(queue),
      limit,
      paused,
    ]);
  };
  return relevant(before) === relevant(after);
}

/** The TaskQueue that governs, of all with one name. */
export function governing(queues: readonly TaskQueue[]): TaskQueue | undefined {
  const rank = ({ metadata }: TaskQueue): string =>
    `${isDeclared(metadata) ? 0 : 1} ${metadata.creationTimestamp} ${metadata.name}`;
  return queues.reduce<TaskQueue | undefined>(
    (first, queue) => (first && rank(first) <= rank(queue) ? first : queue),
    undefined,
  );
}

/** A user applied it; Fairlead did not create it. */
export const isDeclared = ({ labels }: TaskQueue["metadata"]): boolean => labels?.[originLabel] === undefined;
