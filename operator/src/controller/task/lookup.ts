/** The Task that runs of an id execute. */
import type { Informer } from "../../kube/cache/informer.ts";
import { idOfTask, type Task } from "../../model/resources.ts";

/** Index of the Tasks' cache by `namespace/id`. */
export const taskIndex = (task: Task): string[] => [`${task.metadata.namespace}/${idOfTask(task)}`];

/** The Task with this id; of several the oldest, as the status of the others says. */
export function taskOf(
  deps: { tasks: Pick<Informer<Task>, "byIndex"> },
  namespace: string,
  id: string,
): Task | undefined {
  const age = ({ metadata }: Task) => `${metadata.creationTimestamp} ${metadata.name}`;
  return deps.tasks
    .byIndex("id", `${namespace}/${id}`)
    .reduce<Task | undefined>(
      (oldest, task) => (oldest && age(oldest) <= age(task) ? oldest : task),
      undefined,
    );
}
