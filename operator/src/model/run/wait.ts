/**
 * Within an attempt: its code waits, and goes on. Only transition.ts calls this. Pure.
 *
 *   Executing, slot n ─(WaitBegan n)─► Waiting ─(ResumeAsked n, Resumed m > n)─► Executing, slot m
 *
 * A wait is known by the slot that was given back for it: each one has another. So an event that is late, or
 * comes twice, is about no wait but its own.
 *
 * `activeMs` sums up how long the attempt executed, waits left out: what maxDurationSeconds is compared with.
 */
import type { Attempt, TaskRunStatus } from "../resources.ts";
import { currentAttempt, knownPod, updateLastAttempt } from "./attempts.ts";
import type { RunEvent } from "./event.ts";
import { cut } from "./settle.ts";

type WaitEvent = Extract<RunEvent, { type: "WaitBegan" | "ResumeAsked" | "Resumed" }>;
type Change = { status: TaskRunStatus } | { refused: string };

export function changeWait(status: TaskRunStatus, event: WaitEvent, now: string): Change {
  const { slot = 0, wait } = status;
  switch (event.type) {
    case "WaitBegan": {
      if (event.slot !== slot) return { refused: `slot ${event.slot} is not the run's, ${slot} is` };
      return { status: begin(status, event, now) };
    }
    case "ResumeAsked": {
      if (event.slot !== slot) return { refused: `slot ${event.slot} was given back for another wait` };
      if (wait?.resumeAskedAt !== undefined) return { refused: "it takes a slot again already" };
      const message =
        "What it waited for is there: it takes a slot again, ahead of runs that are not started.";
      const asked = { since: wait?.since ?? now, resumeAskedAt: now };
      return { status: { ...status, reason: "Resumes", message, wait: asked } };
    }
    case "Resumed": {
      if (wait?.resumeAskedAt === undefined) return { refused: "it waits on" };
      if (event.slot <= slot) return { refused: `slot ${event.slot} is not above the last one, ${slot}` };
      return {
        status: {
          ...status,
          phase: "Executing",
          reason: "Running",
          message: `Attempt ${event.attempt} goes on after a wait.`,
          slot: event.slot,
          attempts: updateLastAttempt(status, { resumedAt: now }),
        },
      };
    }
  }
}

function begin(
  status: TaskRunStatus,
  event: Extract<WaitEvent, { type: "WaitBegan" }>,
  now: string,
): TaskRunStatus {
  const { startedAt = now, observedAt = now, ...attempt } = currentAttempt(status) as Attempt;
  return {
    ...status,
    phase: "Waiting",
    reason: "Waits",
    message: cut(event.message),
    startedAt: status.startedAt ?? startedAt,
    wait: { since: now },
    attempts: updateLastAttempt(status, {
      ...knownPod(event),
      ...{ startedAt, observedAt },
      activeMs: activeMsOf({ ...attempt, startedAt, observedAt }, Date.parse(now)),
    }),
  };
}

/** How long an executing attempt has executed; by our clock, not the node's. */
export function activeMsOf(
  { activeMs = 0, resumedAt, observedAt, startedAt, admittedAt }: Attempt,
  nowMs: number,
): number {
  const since = Date.parse(resumedAt ?? observedAt ?? startedAt ?? admittedAt);
  return activeMs + Math.max(0, Math.round(nowMs - since));
}
