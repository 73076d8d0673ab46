/** A Task's own `schedule` as a TaskSchedule that the Task owns: created, changed and deleted with it. */

import { createHash } from "node:crypto";
import { originLabel } from "@fairlead/protocol/labels";
import { TaskSchedules } from "../../model/kinds.ts";
import { apiVersion, idOfTask, type Task } from "../../model/resources.ts";
import type { Deps } from "../deps.ts";

const fieldManager = "fairlead-schedules";
/** A schedule's name may have 47 characters. */
const longestStem = 38;

function scheduleNameOf({ metadata }: Task): string {
  const { name } = metadata;
  if (name.length <= longestStem) return `${name}-schedule`;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, longestStem - 9)}-${hash}-schedule`;
}

/** Returns what is wrong when a TaskSchedule that is not the Task's has the name: that one is left alone. */
export async function ensureTaskSchedule(
  deps: Pick<Deps, "client" | "schedules">,
  task: Task,
): Promise<string | undefined> {
  const { namespace, uid } = task.metadata;
  const name = scheduleNameOf(task);
  const existing = deps.schedules.get(namespace, name);
  const owners = existing?.metadata.ownerReferences ?? [];
  const isOwn = owners.some((owner) => owner.uid === uid);
  // It would go with the Task of this name that was deleted before; this one takes it.
  const isInherited =
    !isOwn && owners.some(({ kind, name }) => kind === "Task" && name === task.metadata.name);
  const wanted = task.spec.schedule;
  if (!wanted) {
    if (existing && isOwn)
      await deps.client.delete(TaskSchedules, namespace, name, { uid: existing.metadata.uid });
    return undefined;
  }
  if (existing && !isOwn && !isInherited) {
    return `spec.schedule: TaskSchedule ${name} exists and does not belong to this Task: rename or delete it.`;
  }
  if (existing && isOwn && existing.spec.cron === wanted.cron && existing.spec.timezone === wanted.timezone)
    return undefined;
  const body = {
    apiVersion,
    kind: "TaskSchedule",
    metadata: {
      name,
      namespace,
      labels: { [originLabel]: "task" },
      ownerReferences: [{ apiVersion, kind: "Task", name: task.metadata.name, uid, controller: true }],
    },
    spec: { task: idOfTask(task), cron: wanted.cron, timezone: wanted.timezone },
  };
  const written = await deps.client.patch(TaskSchedules, namespace, name, body, {
    type: "apply",
    fieldManager,
    force: true,
  });
  deps.schedules.upsertFromWrite(written);
  return undefined;
}
