/**
 * For tests only: what is known of an attempt, in each of its situations. Times are seconds after the
 * admission.
 */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import type { ContainerEnd, Observation } from "../../../jobs/podObserver.ts";
import { resolveProgram } from "../../../jobs/program.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import type { PodRef } from "../../../model/run/event.ts";
import { accepted, admitted, newRun, now, play } from "../../../model/run/testEvents.ts";
import type { AttemptView, PodView } from "./view.ts";

export const admittedAt = Date.parse(now);
export const second = (n: number): number => admittedAt + n * 1000;
export const time = (n: number): string => new Date(second(n)).toISOString();

export const podRef: PodRef = { pod: "r-1-x", podUid: "p1", node: "node-1" };

export const starting = play(newRun(), accepted, admitted(1));
export const executing = play(starting, { type: "Started", attempt: 1, at: now, ...podRef });
export const stopping = play(executing, { type: "CancelRequested" });

const program = resolveProgram(
  starting,
  { name: "t", id: "t", spec: { image: "i" } },
  { maxDurationSeconds: 60, startTimeoutSeconds: 30 },
);

/**
 * The run's last attempt, `afterSeconds` after it was admitted; whatever else is known comes with `known`.
 */
export function viewOf(run: TaskRun, afterSeconds: number, known: Partial<AttemptView> = {}): AttemptView {
  const attempt = run.status?.attempts?.at(-1) as Attempt;
  return {
    run,
    attempt,
    now: second(afterSeconds),
    random: 0,
    config: { nodeLostAfterSeconds: 60, jobRetentionSeconds: 300 },
    program,
    ...known,
  };
}

export const job = (run: TaskRun = starting): V1Job => ({
  metadata: {
    name: "r-1",
    uid: "j1",
    ownerReferences: [{ apiVersion: "v1", kind: "TaskRun", name: "r", uid: run.metadata.uid }],
  },
});

export const podIn = (seen: Observation, known: Partial<PodView> = {}): PodView => ({
  object: { metadata: { name: "r-1-x", uid: "p1" }, spec: { containers: [] } } satisfies V1Pod,
  ref: podRef,
  seen,
  isEnding: false,
  ...known,
});

const end: ContainerEnd = { exitCode: 0, reason: "Completed", message: "", terminationMessage: "" };

export const running = podIn({ state: "running", startedAt: time(1) });
export const pending = podIn({ state: "pending", waiting: "ContainerCreating" });
export const unscheduled = podIn(
  { state: "pending", waiting: "Pending" },
  { ref: { pod: "r-1-x", podUid: "p1" } },
);
export const containerEnded = podIn({ state: "ended", end });
/** Its node has been silent since second 10. */
export const lost = podIn({ state: "lost", since: time(10) });
