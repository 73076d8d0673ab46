/** For tests only: a new TaskRun, the events that happen to it, and what the state machine makes of them. */
import type { TaskRun } from "../resources.ts";
import type { AttemptEnd, RunEvent } from "./event.ts";
import type { RetryPolicy } from "./retry.ts";
import { transition } from "./transition.ts";

export const now = "2026-01-01T00:00:00.000Z";
export const later = "2026-01-01T01:00:00.000Z";

export const retry: RetryPolicy = {
  maxAttempts: 3,
  factor: 2,
  minTimeoutInMs: 1000,
  maxTimeoutInMs: 60_000,
  randomize: false,
};

export function newRun(spec: TaskRun["spec"] = { task: "t" }): TaskRun {
  return {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "TaskRun",
    metadata: { name: "r", namespace: "n", uid: "u", generation: 1 },
    spec,
  };
}

/** The run after these events; a refused one is an error. */
export function play(run: TaskRun, ...events: RunEvent[]): TaskRun {
  let current = run;
  for (const event of events) {
    const result = transition(current, event, now);
    if ("refused" in result) throw new Error(`${event.type} refused: ${result.refused}`);
    current = { ...current, status: result.status };
  }
  return current;
}

/** Why the event is refused; empty when it is not. */
export function refusalOf(run: TaskRun, event: RunEvent): string {
  const result = transition(run, event, now);
  return "refused" in result ? result.refused : "";
}

export const accepted: RunEvent = { type: "Accepted" };
export const cancelRequested: RunEvent = { type: "CancelRequested" };
export const admitted = (slot: number): RunEvent => ({ type: "Admitted", slot });
export const started = (attempt: number): RunEvent => ({
  type: "Started",
  attempt,
  podUid: `p${attempt}`,
  at: now,
});
export const maxDurationElapsed = (attempt: number): RunEvent => ({
  type: "MaxDurationElapsed",
  attempt,
  seconds: 5,
});
export const startTimedOut = (attempt: number): RunEvent => ({
  type: "StartTimedOut",
  attempt,
  reason: "ImagePullBackOff",
  message: "no such image",
});
export const containerGone = (attempt: number): RunEvent => ({
  type: "ContainerGone",
  attempt,
  retry,
  random: 0,
});

export const waitBegan = (attempt: number, slot: number): RunEvent => ({
  type: "WaitBegan",
  attempt,
  slot,
  message: "Waits for run_child.",
});
export const resumeAsked = (attempt: number, slot: number): RunEvent => ({
  type: "ResumeAsked",
  attempt,
  slot,
});
export const resumed = (attempt: number, slot: number): RunEvent => ({ type: "Resumed", attempt, slot });

/** The attempt ended; retryable unless `end` says something else. */
export function ended(
  attempt: number,
  outcome: AttemptEnd["outcome"],
  end: Partial<AttemptEnd> = {},
  policy: Partial<RetryPolicy> = {},
): RunEvent {
  return {
    type: "AttemptEnded",
    attempt,
    end: { outcome, reason: outcome, message: `It was ${outcome}.`, retryable: true, ...end },
    retry: { ...retry, ...policy },
    random: 0,
  };
}
