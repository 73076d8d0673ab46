/** Where the start of an attempt has come to, as admission needs to know it (room.ts). Pure. */
import type { Place } from "../room.ts";
import { problemOf, rowOf } from "./start.ts";
import { type AttemptView, isOnNode } from "./view.ts";

/** `why`: in the words of the scheduler, or of the quota. */
export function placeOf(view: AttemptView): { place: Place; why?: string } {
  const { run, pod } = view;
  if (run.status?.phase === "Stopping") return { place: "elsewhere" };
  const hasRun = pod !== undefined && pod.seen.state !== "pending";
  if (hasRun || isOnNode(pod) || run.status?.phase !== "Starting") return { place: "onNode" };
  const problem = problemOf(view);
  if (!problem) return { place: "expected" };
  if (rowOf(view, problem).verdict !== "room" || problem.reason === "SchedulingGated")
    return { place: "elsewhere" };
  return { place: view.isScalingUp ? "scaling" : "noRoom", why: problem.message };
}
