/** The Kubernetes Events of a schedule: what its status says that it did not say before. Pure. */
import type { ObjectEvent } from "../../kube/manager/controller.ts";
import type { TaskSchedule } from "../../model/resources.ts";

export function eventsOfSchedule(before: TaskSchedule | undefined, after: TaskSchedule): ObjectEvent[] {
  // What was there when this process began was reported by an earlier one.
  if (!before) return [];
  const events: ObjectEvent[] = [];
  for (const { type, status, reason, message } of after.status?.conditions ?? []) {
    const old = before.status?.conditions?.find((condition) => condition.type === type);
    if (old?.reason === reason && old.message === message) continue;
    if (status === "False") events.push({ type: "Warning", reason, message });
    else if (old?.status === "False") events.push({ type: "Normal", reason, message });
  }
  const skipped = (after.status?.missed ?? 0) - (before.status?.missed ?? 0);
  if (skipped > 0) {
    const { catchUp = "none" } = after.spec;
    const message = `${skipped} ${skipped === 1 ? "tick was" : "ticks were"} skipped: too late (catchUp is ${catchUp}), or their name was taken.`;
    events.push({ type: "Warning", reason: "TicksMissed", message });
  }
  return events;
}
