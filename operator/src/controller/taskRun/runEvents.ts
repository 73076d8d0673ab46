/**
 * The Events of a run: what changed between two of its states, in the words of its status.
 * Pure: told from the difference, so that a state that came in one step or in three tells the same.
 */

import type { Attempt, TaskRun } from "../../model/resources.ts";
import { isTerminal } from "../../model/run/phase.ts";

export interface StoryEvent {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

export function storyOf(before: TaskRun | undefined, after: TaskRun): StoryEvent[] {
  const was = before?.status;
  const is = after.status;
  if (!is?.phase || was?.revision === is.revision) return [];
  const events: StoryEvent[] = [];
  const say = (type: StoryEvent["type"], reason: string, message: string) =>
    events.push({ type, reason, message });

  if (!was?.phase && is.queuedAt) say("Normal", "Queued", "Waits to be admitted.");
  for (const attempt of is.attempts ?? []) {
    tellAttempt(
      was?.attempts?.find((a) => a.number === attempt.number),
      attempt,
      say,
    );
  }
  const isNews = was?.phase !== is.phase || was?.reason !== is.reason || was?.message !== is.message;
  if (!isNews) return events;
  const { reason = is.phase, message = "" } = is;
  if (isTerminal(is.phase))
    say(is.phase === "Completed" || is.phase === "Canceled" ? "Normal" : "Warning", is.phase, message);
  else if (is.phase === "Stopping") say("Normal", "Stopping", message);
  else if (is.phase === "Delayed") say("Normal", "Delayed", message);
  else if (reason === "Backoff") say("Normal", "Backoff", message);
  else if (is.phase === "Queued" && reason !== "Queued") say("Warning", reason, message);
  else if (is.phase === "Starting" && reason !== "Admitted") say("Warning", reason, message);
  return events;
}

function tellAttempt(
  was: Attempt | undefined,
  is: Attempt,
  say: (type: StoryEvent["type"], reason: string, message: string) => void,
): void {
  if (!was) say("Normal", "Starting", `Attempt ${is.number} starts as Job ${is.job}.`);
  if (!was?.startedAt && is.startedAt) say("Normal", "Started", `Attempt ${is.number} runs.`);
  if (!was?.outcome && is.outcome && is.outcome !== "Completed") {
    const exit = is.exitCode === undefined ? "" : ` (exit code ${is.exitCode})`;
    say(
      "Warning",
      "AttemptFailed",
      `Attempt ${is.number}: ${is.outcome}${exit}. ${is.error?.message ?? ""}`.trim(),
    );
  }
}
