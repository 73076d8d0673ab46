/** Loads the module that defines the task, and finds the task in it. */
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Failure } from "./failure.ts";
import type { Catalog, Definition } from "./host/catalog.ts";

const idsShown = 20;

export async function loadTask(entry: string, id: string, catalog: Catalog): Promise<Definition> {
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
  catalog.loaded();
  const twice = catalog.duplicateOf(id);
  if (twice) {
    const places = twice.at.map((at) => at ?? "a place that is not known").join(", ");
    throw new Failure(
      "TASK_LOAD_ERROR",
      `id: "${id}" is the id of ${twice.at.length} tasks, each needs its own: ${places}`,
    );
  }
  const task = catalog.getTask(id);
  if (task) return task;
  const ids = catalog.tasks.map((one) => one.id).sort();
  const found =
    ids.slice(0, idsShown).join(", ") + (ids.length > idsShown ? ` and ${ids.length - idsShown} more` : "");
  throw new Failure(
    "TASK_NOT_FOUND",
    ids.length === 0
      ? `${entry} defines no task, so there is no "${id}": define it with task() of @fairlead/sdk or @trigger.dev/sdk.`
      : `${entry} does not define the task "${id}": it defines ${found}.`,
  );
}
