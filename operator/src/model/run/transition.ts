/**
 * The life of a run: the only place where a phase changes.
 *
 *   created ─► Delayed ─► Queued ─► Starting ─► Executing ─► Completed | Failed | Crashed | TimedOut | SystemFailure
 *                 │        │ ▲         │            │
 *                 │        │ └─backoff─┴────────────┤  (slot freed)
 *                 ▼        ▼                        ▼
 *              Canceled  Canceled | Expired      Stopping ─(container gone)─► Canceled | TimedOut | Failed
 *
 * Invariants (transition.test.ts proves them for random sequences of events):
 *  1. A terminal run stays as it is; only Captured may still add to it.
 *  2. An event about an attempt that is not the current one is refused, so a run settles once.
 *  3. The run holds a slot exactly in Starting, Executing and Stopping; each admission has a higher slot number.
 *  4. A report accepted before Stopping wins, afterwards the intended outcome does.
 *
 * Pure: no clock, no randomness; both come in with the call.
 */

import type { Attempt, Phase, TaskRun, TaskRunStatus } from "../resources.ts";
import { setConditions } from "./conditions.ts";
import type { AttemptEnd, AttemptPlace, RunEvent } from "./event.ts";
import { currentAttempt, isTerminal } from "./phase.ts";
import { infrastructureDelay, infrastructureRetryLimit, type RetryPolicy, retryDelay } from "./retry.ts";

export type Transition =
  | { status: TaskRunStatus }
  /** The event does not apply; a sentence that says why. Nothing changes. */
  | { refused: string };

/** Attempts kept in status; the oldest captured ones are dropped beyond it. */
export const attemptsKept = 20;

/** Reason of an attempt that was killed for its memory: tried once more on the machine that the policy names. */
export const outOfMemory = "OOMKilled";

export function transition(run: TaskRun, event: RunEvent, now: string): Transition {
  const status = run.status ?? {};
  const phase = status.phase;
  if (isTerminal(phase) && event.type !== "Captured") return refused(`the run is ${phase} already`);
  if (
    phase === undefined &&
    event.type !== "Accepted" &&
    event.type !== "CancelRequested" &&
    event.type !== "Duplicate" &&
    event.type !== "Rejected"
  ) {
    return refused("the run was not accepted yet");
  }
  if ("attempt" in event && event.type !== "Captured") {
    const current = currentAttempt(status);
    if (!current) return refused(`attempt ${event.attempt} is not under way: the run is ${phase}`);
    if (current.number !== event.attempt) {
      return refused(`attempt ${event.attempt} is not the current one, ${current.number} is`);
    }
    if ("podUid" in event && event.podUid && current.podUid && current.podUid !== event.podUid) {
      return refused(`pod ${event.podUid} is not the attempt's pod, ${current.podUid} is`);
    }
  }
  const next = apply(run, status, event, now);
  if ("refused" in next) return next;
  const changed: TaskRunStatus = {
    ...next.status,
    revision: (status.revision ?? 0) + 1,
    observedGeneration: run.metadata.generation,
  };
  return { status: setConditions(changed, now) };
}

function apply(run: TaskRun, status: TaskRunStatus, event: RunEvent, now: string): Transition {
  const phase = status.phase;
  switch (event.type) {
    case "Accepted":
      if (phase !== undefined) return refused(`the run was accepted already, it is ${phase}`);
      return enter({ ...status, attempt: 0, slot: 0, payloadDigest: event.payloadDigest }, run, now);

    case "Rejected":
      if (currentAttempt(status)) return refused("an attempt is under way");
      return finish(status, "Failed", event.reason, event.message, now, {
        error: { name: event.reason, message: event.message },
      });

    case "Duplicate": {
      if (status.attempt) return refused("the run had an attempt of its own already");
      if (!isTerminal(event.phase)) return refused(`the original is ${event.phase}, it has not finished`);
      const { original, output, outputRef, error } = event;
      const settled = { ...status, duplicateOf: original };
      return finish(settled, event.phase, "Duplicate", event.message, now, { output, outputRef, error });
    }

    case "DelayChecked":
      if (phase !== "Delayed") return refused(`the run is ${phase}, not Delayed`);
      // While it is delayed, a debounced run's payload may change.
      return enter(run.spec.debounce ? { ...status, payloadDigest: event.payloadDigest } : status, run, now);

    case "Parked":
      if (phase !== "Queued") return refused(`the run is ${phase}, not Queued`);
      if (status.reason === event.reason && status.message === event.message) return refused("nothing new");
      return { status: { ...status, reason: event.reason, message: event.message } };

    case "Admitted":
      return admit(run, status, event, now);

    case "SlotLost": {
      if (phase !== "Starting") return refused(`the run is ${phase}, not Starting`);
      const attempts = status.attempts?.slice(0, -1) ?? [];
      return {
        status: {
          ...status,
          phase: "Queued",
          attempt: event.attempt - 1,
          attempts,
          reason: "SlotLost",
          message: "The queue lost this run's slot before its Job was created; it waits for another.",
        },
      };
    }

    case "StartBlocked":
      if (phase !== "Starting") return refused(`the run is ${phase}, not Starting`);
      if (status.reason === event.reason && status.message === event.message) return refused("nothing new");
      return { status: { ...status, reason: event.reason, message: cut(event.message) } };

    case "Started":
      if (phase !== "Starting") return refused(`the run is ${phase}, not Starting`);
      return {
        status: {
          ...status,
          phase: "Executing",
          reason: "Running",
          message: `Attempt ${event.attempt} runs.`,
          startedAt: status.startedAt ?? event.at,
          attempts: update(status, { ...place(event), startedAt: event.at }),
        },
      };

    case "AttemptEnded":
      if (phase === "Stopping") return refused(`the run is being stopped: ${status.stop?.reason}`);
      return settle(status, event.end, event, event.retry, event.random, now);

    case "CancelRequested":
      return cancel(status, now);

    case "MaxDurationElapsed":
      if (phase !== "Executing") return refused(`the run is ${phase}, not Executing`);
      return stop(status, now, {
        intent: "TimedOut",
        reason: "MaxDurationExceeded",
        message: `Attempt ${event.attempt} executed longer than maxDurationSeconds, ${event.seconds} s.`,
      });

    case "StartTimedOut":
      if (phase !== "Starting") return refused(`the run is ${phase}, not Starting`);
      return stop(status, now, { intent: "Failed", reason: event.reason, message: cut(event.message) });

    case "ContainerGone": {
      if (phase !== "Stopping" || !status.stop) return refused(`the run is ${phase}, not Stopping`);
      const { intent, reason, message } = status.stop;
      if (intent === "Failed") {
        const end: AttemptEnd = {
          outcome: "Failed",
          reason,
          message,
          retryable: true,
          error: { name: reason, message },
        };
        return settle(status, end, event, event.retry, event.random, now);
      }
      const attempts = update(status, {
        ...place(event),
        finishedAt: now,
        outcome: intent,
        exitCode: event.exitCode,
        error: { name: reason, message },
      });
      const error = intent === "TimedOut" ? { name: reason, message } : undefined;
      return finish({ ...status, attempts }, intent, reason, message, now, { error });
    }

    case "TtlElapsed":
      if (phase !== "Queued" || status.startedAt) return refused("the run does not wait for its first start");
      return finish(
        status,
        "Expired",
        "TtlElapsed",
        "The run waited in its queue for longer than its ttl.",
        now,
      );

    case "Captured": {
      const known = status.attempts?.find((a) => a.number === event.attempt);
      if (!known || known.outcome === undefined) return refused(`attempt ${event.attempt} has not ended`);
      if (known.captured) return refused(`attempt ${event.attempt} is captured already`);
      const attempts = status.attempts?.map((a) =>
        a === known ? { ...a, ...place(event), captured: true, logKey: event.logKey } : a,
      );
      return { status: { ...status, attempts } };
    }
  }
}

/** Into Delayed or Queued, by the time. */
function enter(status: TaskRunStatus, run: TaskRun, now: string): Transition {
  const until = run.spec.delayUntil;
  if (until && Date.parse(until) > Date.parse(now)) {
    const message = `Waits until ${until}.`;
    if (status.phase === "Delayed" && status.message === message) return refused("the delay has not passed");
    return { status: { ...status, phase: "Delayed", reason: "DelayUntil", message } };
  }
  return {
    status: { ...status, phase: "Queued", reason: "Queued", message: "Waits to be admitted.", queuedAt: now },
  };
}

function admit(
  run: TaskRun,
  status: TaskRunStatus,
  { slot, queue, version }: Extract<RunEvent, { type: "Admitted" }>,
  now: string,
): Transition {
  if (status.phase !== "Queued") return refused(`the run is ${status.phase}, not Queued`);
  if (slot <= (status.slot ?? 0)) return refused(`slot ${slot} is not above the last one, ${status.slot}`);
  const number = (status.attempt ?? 0) + 1;
  const attempt: Attempt = { number, job: `${run.metadata.name}-${number}`, slot, admittedAt: now };
  if (status.machine) attempt.machine = status.machine;
  return {
    status: {
      ...status,
      phase: "Starting",
      reason: "Admitted",
      message: `Attempt ${number} got its slot.`,
      attempt: number,
      slot,
      version: status.version ?? version,
      queue: status.queue ?? queue,
      nextAttemptAt: undefined,
      attempts: bounded([...(status.attempts ?? []), attempt]),
    },
  };
}

/** Ends the current attempt: the run finishes, or goes back to its queue for another attempt. */
function settle(
  status: TaskRunStatus,
  end: AttemptEnd,
  where: AttemptPlace,
  retry: RetryPolicy,
  random: number,
  now: string,
): Transition {
  const attempts = update(status, {
    ...place(where),
    ...(end.startedAt ? { startedAt: end.startedAt } : {}),
    finishedAt: now,
    outcome: end.outcome,
    exitCode: end.exitCode,
    error: end.error,
  });
  // A runner tells milliseconds, the container's status whole seconds.
  const isFirst = status.startedAt === undefined || status.startedAt === status.attempts?.at(-1)?.startedAt;
  const ended: TaskRunStatus = {
    ...status,
    startedAt: isFirst ? (end.startedAt ?? status.startedAt) : status.startedAt,
    stop: undefined,
    attempts,
  };
  const lost = (status.infrastructureRetries ?? 0) + 1;
  switch (end.outcome) {
    case "Completed":
      return finish(ended, "Completed", end.reason, end.message, now, {
        output: end.output,
        outputRef: end.outputRef,
      });
    case "TimedOut":
      return finish(ended, "TimedOut", end.reason, end.message, now, { error: end.error });
    case "Infrastructure": {
      const counted = { ...ended, infrastructureRetries: lost };
      if (lost > infrastructureRetryLimit) {
        return finish(counted, "SystemFailure", end.reason, end.message, now, { error: end.error });
      }
      return backoff(counted, end, infrastructureDelay(lost), now);
    }
    case "Failed":
    case "Crashed": {
      const failures = (status.attempt ?? 0) - (status.infrastructureRetries ?? 0);
      const larger = end.reason === outOfMemory && !status.machine ? retry.outOfMemoryMachine : undefined;
      if (larger)
        return backoff({ ...ended, machine: larger }, end, retryDelay(retry, failures, random), now);
      if (end.retryable && failures < retry.maxAttempts) {
        return backoff(ended, end, retryDelay(retry, failures, random), now);
      }
      return finish(ended, end.outcome, end.reason, end.message, now, { error: end.error });
    }
  }
}

function backoff(status: TaskRunStatus, end: AttemptEnd, delayMs: number, now: string): Transition {
  return {
    status: {
      ...status,
      phase: "Queued",
      reason: "Backoff",
      message: cut(
        `Attempt ${status.attempt} ended: ${end.message} Next attempt in ${(delayMs / 1000).toFixed(1)} s.`,
      ),
      nextAttemptAt: new Date(Date.parse(now) + delayMs).toISOString(),
    },
  };
}

function cancel(status: TaskRunStatus, now: string): Transition {
  const message = "Canceled on request.";
  if (status.phase === "Stopping") return refused("the run is being stopped already");
  if (currentAttempt(status))
    return stop(status, now, { intent: "Canceled", reason: "CancelRequested", message });
  return finish(status, "Canceled", "CancelRequested", message, now);
}

function stop(
  status: TaskRunStatus,
  now: string,
  why: { intent: "Canceled" | "TimedOut" | "Failed"; reason: string; message: string },
): Transition {
  return {
    status: {
      ...status,
      phase: "Stopping",
      reason: why.reason,
      message: why.message,
      stop: { ...why, at: now },
    },
  };
}

function finish(
  status: TaskRunStatus,
  phase: Phase,
  reason: string,
  message: string,
  now: string,
  result: Pick<TaskRunStatus, "output" | "outputRef" | "error"> = {},
): Transition {
  return {
    status: {
      ...status,
      phase,
      reason,
      message: cut(message),
      finishedAt: now,
      nextAttemptAt: undefined,
      stop: undefined,
      ...result,
    },
  };
}

const refused = (why: string): Transition => ({ refused: why });

const cut = (message: string): string => (message.length <= 1024 ? message : `${message.slice(0, 1021)}...`);

/** What is known of where the attempt runs; unknown fields do not erase known ones. */
function place(where: AttemptPlace): AttemptPlace {
  const out: AttemptPlace = {};
  if (where.pod) out.pod = where.pod;
  if (where.podUid) out.podUid = where.podUid;
  if (where.node) out.node = where.node;
  return out;
}

function update(status: TaskRunStatus, changes: Partial<Attempt>): Attempt[] {
  const attempts = status.attempts ?? [];
  const last = attempts.at(-1);
  return last ? [...attempts.slice(0, -1), { ...last, ...changes }] : attempts;
}

/** The newest attempts; one whose log is still to be captured stays, since its Job is found through it. */
function bounded(attempts: Attempt[]): Attempt[] {
  const excess = attempts.length - attemptsKept;
  if (excess <= 0) return attempts;
  let dropped = 0;
  const kept = attempts.filter((a) => !(a.captured && dropped < excess && ++dropped));
  return kept.slice(-attemptsKept);
}
