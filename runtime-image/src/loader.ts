/** Loads the module that defines the task, and finds the task in it. */
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type AnyTaskOptions, registeredTasks } from "@fairlead/sdk/registry";
import { Failure } from "./failure.ts";

const idsShown = 20;

export async function loadTask(entry: string, id: string): Promise<AnyTaskOptions> {
  try {
    await import(pathToFileURL(entry).href);
  } catch (error) {
    if (!existsSync(entry)) {
      throw new Failure(
        "TASK_LOAD_ERROR",
        `spec.entry: there is no file ${entry} in the image; it must be the path of the module that defines the task`,
      );
    }
    throw Failure.thrownBy("TASK_LOAD_ERROR", error, false);
  }
  const tasks = registeredTasks();
  const task = tasks.get(id);
  if (task) return task;
  const ids = [...tasks.keys()].sort();
  const found =
    ids.slice(0, idsShown).join(", ") + (ids.length > idsShown ? ` and ${ids.length - idsShown} more` : "");
  throw new Failure(
    "TASK_NOT_FOUND",
    ids.length === 0
      ? `${entry} defines no task, so there is no "${id}": define it with task() of @fairlead/sdk.`
      : `${entry} does not define the task "${id}": it defines ${found}.`,
  );
}
