/**
 * The life of a run: the only place where a phase changes.
 *
 *   New ─► Delayed ─► Queued ─► Starting ─► Executing ─► Completed | Failed | Crashed | TimedOut
 *             │        │ ▲         │            │           | SystemFailure
 *             │        │ └─backoff─┴────────────┤  (slot freed)
 *             ▼        ▼                     │  ▲  │
 *          Canceled  Canceled | Expired      ▼  │  ▼
 *                                      Waiting ─┘  Stopping ─(container gone)─► Canceled | TimedOut | Failed
 *
 * A Waiting run has given its slot back; its pod stays. It asks for a slot again when what it waited for is
 * there, and is Executing once it has one. In all else it is as an Executing run.
 *
 * `appliesIn` says which event applies in which phase, `apply` what it does there, settle.ts how an attempt
 * ends.
 *
 * Invariants (transition.property.test.ts proves them for random sequences of events):
 *  1. A terminal run stays as it is; only Captured may still add to it.
 *  2. An event about an attempt that is not the current one is refused, so a run settles once.
 *  3. The run holds a slot in Starting, Executing and Stopping only, and not when it was stopped while it
 *     waited; each slot has a higher number.
 *  4. A report accepted before Stopping wins, afterwards the intended outcome does.
 *  5. The status fits its schema, whatever the events say.
 *
 * Pure: no clock, no randomness; both come in with the call.
 */
import type { Attempt, Phase, TaskRun, TaskRunStatus } from "../resources.ts";
import { taskRunStatus } from "../schema/taskRun.ts";
import { addAttempt, currentAttempt, knownPod, startOf, updateLastAttempt } from "./attempts.ts";
import { queueDeclared, setConditions, withNote } from "./conditions.ts";
import type { RunEvent, StartRetry } from "./event.ts";
import { fit } from "./fit.ts";
import { isTerminal } from "./phase.ts";
import { cut, finish, leastOf, settle, settleStopped } from "./settle.ts";
import { changeWait } from "./wait.ts";
import { waitsForTurn } from "./waiting.ts";

type Transition =
  | { status: TaskRunStatus }
  /** The event does not apply; a sentence that says why. Nothing changes. */
  | { refused: string };

/** The phase of a run whose status is still empty. */
type From = Phase | "New";

/** The rows of the state machine. Captured applies in every phase but New: it adds to an ended attempt. */
const appliesIn: Record<Exclude<RunEvent["type"], "Captured">, readonly From[]> = {
  Accepted: ["New"],
  Rejected: ["New", "Delayed", "Queued"],
  Duplicate: ["New", "Delayed", "Queued"],
  DelayChecked: ["Delayed"],
  Inadmissible: ["New", "Delayed", "Queued"],
  Waits: ["Queued"],
  Admitted: ["Queued"],
  TtlElapsed: ["Queued"],
  SlotLost: ["Starting"],
  StartBlocked: ["Starting"],
  StartTimedOut: ["Starting"],
  Started: ["Starting"],
  // The code may say so before anybody has seen that it runs.
  WaitBegan: ["Starting", "Executing"],
  ResumeAsked: ["Waiting"],
  Resumed: ["Waiting"],
  MaxDurationElapsed: ["Executing"],
  AttemptEnded: ["Starting", "Executing", "Waiting"],
  CancelRequested: ["New", "Delayed", "Queued", "Starting", "Executing", "Waiting"],
  ContainerGone: ["Stopping"],
  StatusRefused: ["New", "Delayed", "Queued", "Starting", "Executing", "Waiting", "Stopping"],
};

export function transition(run: TaskRun, event: RunEvent, now: string): Transition {
  const status = run.status ?? {};
  const why = wrongAttempt(status, event) ?? wrongPhase(status, event);
  if (why) return refused(why);
  const next = apply(run, status, event, now);
  if ("refused" in next) return next;
  const changed: TaskRunStatus = {
    ...next.status,
    since: isSameWhy(status, next.status) ? (status.since ?? now) : now,
    revision: (status.revision ?? 0) + 1,
    waiting: next.status.phase === "Queued" ? next.status.waiting : undefined,
    wait: mayWait(next.status.phase) ? next.status.wait : undefined,
    observedGeneration: run.metadata.generation,
  };
  return { status: fit(taskRunStatus, setConditions(changed, now)) };
}

const mayWait = (phase: Phase | undefined): boolean => phase === "Waiting" || phase === "Stopping";

const isSameWhy = (before: TaskRunStatus, after: TaskRunStatus): boolean =>
  before.phase === after.phase && before.reason === after.reason;

/** Why the event is not about the attempt that is under way. */
function wrongAttempt(status: TaskRunStatus, event: RunEvent): string | undefined {
  if (!("attempt" in event) || event.type === "Captured") return undefined;
  if (status.phase === undefined || isTerminal(status.phase)) return undefined;
  const current = currentAttempt(status);
  if (!current) return `attempt ${event.attempt} is not under way: the run is ${status.phase}`;
  if (current.number !== event.attempt) {
    return `attempt ${event.attempt} is not the current one, ${current.number} is`;
  }
  if ("podUid" in event && event.podUid && current.podUid && current.podUid !== event.podUid) {
    return `pod ${event.podUid} is not the attempt's pod, ${current.podUid} is`;
  }
  return undefined;
}

/** Why the event does not apply in the run's phase. */
function wrongPhase({ phase, stop }: TaskRunStatus, { type }: RunEvent): string | undefined {
  if (type === "Captured") return phase === undefined ? "the run was not accepted yet" : undefined;
  const phases = appliesIn[type];
  if (phases.includes(phase ?? "New")) return undefined;
  if (phase === undefined) return "the run was not accepted yet";
  if (isTerminal(phase)) return `the run is ${phase} already`;
  if (stop) return `the run is being stopped: ${stop.reason}`;
  return `the run is ${phase}, not ${phases.join(" or ")}`;
}

function apply(run: TaskRun, status: TaskRunStatus, event: RunEvent, now: string): Transition {
  switch (event.type) {
    case "Accepted":
      return enter(
        {
          ...status,
          attempt: 0,
          slot: 0,
          payloadDigest: event.payloadDigest,
          ...(event.undeclaredQueue !== undefined && {
            conditions: withNote(status, queueDeclared, undeclared(event.undeclaredQueue), now),
          }),
        },
        run,
        now,
      );

    case "Rejected": {
      const error = { name: event.reason, message: event.message };
      return becomes(finish(status, "Failed", event, now, { error }));
    }

    case "Duplicate": {
      if (status.attempt) return refused("the run had an attempt of its own already");
      if (!isTerminal(event.phase)) return refused(`the original is ${event.phase}, it has not finished`);
      const { original, phase, message, output, outputRef, error } = event;
      const why = { reason: "Duplicate", message };
      return becomes(
        finish({ ...status, duplicateOf: original }, phase, why, now, { output, outputRef, error }),
      );
    }

    case "DelayChecked":
      // While it is delayed, a debounced run's payload may change.
      return enter(run.spec.debounce ? { ...status, payloadDigest: event.payloadDigest } : status, run, now);

    case "Inadmissible":
    case "StartBlocked":
      return explain(status, event);

    case "Waits":
      return explain(status, event, event.waiting);

    case "Admitted":
      return admit(run, status, event, now);

    case "SlotLost":
      return becomes({
        ...status,
        phase: "Queued",
        attempt: event.attempt - 1,
        attempts: status.attempts?.slice(0, -1) ?? [],
        reason: "SlotLost",
        message: "The queue lost this run's slot before its Job was created; it waits for another.",
      });

    case "Started":
      return becomes({
        ...status,
        phase: "Executing",
        reason: "Running",
        message: `Attempt ${event.attempt} runs.`,
        startedAt: status.startedAt ?? startOf(status, event.at, now),
        attempts: updateLastAttempt(status, {
          ...knownPod(event),
          ...{ startedAt: startOf(status, event.at, now), observedAt: now },
        }),
      });

    case "WaitBegan":
    case "ResumeAsked":
    case "Resumed":
      return changeWait(status, event, now);

    case "AttemptEnded":
      return becomes(settle(status, event.end, event, now));

    case "CancelRequested": {
      const { message = "Canceled on request." } = event;
      const why = { reason: "CancelRequested", message };
      if (currentAttempt(status)) return becomes(stop(status, "Canceled", why, now));
      return becomes(finish(status, "Canceled", why, now));
    }

    case "MaxDurationElapsed": {
      const message = `Attempt ${event.attempt} executed longer than maxDurationSeconds, ${event.seconds} s.`;
      return becomes(stop(status, "TimedOut", { reason: "MaxDurationExceeded", message }, now));
    }

    case "StartTimedOut":
      return becomes(stop(status, "Failed", event, now, event.retry));

    case "ContainerGone":
      if (!status.stop) return refused("status.stop is missing");
      return becomes(settleStopped(status, status.stop, event, now));

    case "TtlElapsed": {
      if (status.startedAt || status.attempt) return refused("the run does not wait for its first start");
      const message = "The run waited in its queue for longer than its ttl.";
      return becomes(finish(status, "Expired", { reason: "TtlElapsed", message }, now));
    }

    case "StatusRefused": {
      const { message } = event;
      const error = { name: "StatusRefused", message: cut(message) };
      return becomes(
        finish(leastOf(status, now), "SystemFailure", { reason: error.name, message }, now, { error }),
      );
    }

    case "Captured":
      return capture(status, event);
  }
}

/** Into Delayed or Queued, by the time. */
function enter(status: TaskRunStatus, run: TaskRun, now: string): Transition {
  const until = run.spec.delayUntil;
  // A time that cannot be read (an offset of 24:00, which Kubernetes takes) has not passed.
  if (until && !(Date.parse(until) <= Date.parse(now))) {
    const message = `Waits until ${until}.`;
    if (status.phase === "Delayed" && status.message === message) return refused("the delay has not passed");
    return becomes({ ...status, phase: "Delayed", reason: "DelayUntil", message });
  }
  return becomes({ ...status, phase: "Queued", reason: "Queued", message: waitsForTurn, queuedAt: now });
}

/** Why the run does not get further; its phase stays. */
function explain(
  status: TaskRunStatus,
  event: { reason: string; message: string },
  waiting?: TaskRunStatus["waiting"],
): Transition {
  const message = cut(event.message);
  if (status.reason === event.reason && status.message === message) return refused("nothing new");
  return becomes({ ...status, reason: event.reason, message, waiting });
}

function admit(
  run: TaskRun,
  status: TaskRunStatus,
  { slot, queue, version, controllerRevision }: Extract<RunEvent, { type: "Admitted" }>,
  now: string,
): Transition {
  if (slot <= (status.slot ?? 0)) return refused(`slot ${slot} is not above the last one, ${status.slot}`);
  const number = (status.attempt ?? 0) + 1;
  const attempt: Attempt = { number, job: `${run.metadata.name}-${number}`, slot, admittedAt: now };
  if (status.machine) attempt.machine = status.machine;
  return becomes({
    ...status,
    phase: "Starting",
    reason: "Admitted",
    message: slotTaken(number),
    attempt: number,
    slot,
    version: status.version ?? version,
    controllerRevision: status.controllerRevision ?? controllerRevision,
    queue: status.queue ?? queue,
    nextAttemptAt: undefined,
    attempts: addAttempt(status, attempt),
  });
}

/** What a run says that has its slot, and whose Job is to be created. */
export const slotTaken = (attempt: number): string => `Attempt ${attempt} got its slot.`;

/** Into Stopping; `intent` is the phase to end in once the container is gone. */
function stop(
  status: TaskRunStatus,
  intent: NonNullable<TaskRunStatus["stop"]>["intent"],
  { reason, message }: { reason: string; message: string },
  now: string,
  retry?: StartRetry,
): TaskRunStatus {
  const why = { reason, message: cut(message) };
  return { ...status, phase: "Stopping", ...why, stop: { intent, ...why, ...(retry && { retry }), at: now } };
}

function capture(status: TaskRunStatus, event: Extract<RunEvent, { type: "Captured" }>): Transition {
  const ended = status.attempts?.find((a) => a.number === event.attempt);
  if (!ended || ended.outcome === undefined) return refused(`attempt ${event.attempt} has not ended`);
  if (ended.captured) return refused(`attempt ${event.attempt} is captured already`);
  const captured = {
    ...ended,
    ...knownPod(event),
    captured: true,
    logKey: event.logKey,
    logNote: event.logNote,
  };
  return becomes({ ...status, attempts: status.attempts?.map((a) => (a === ended ? captured : a)) });
}

const undeclared = (message: string) => ({ reason: "QueueUndeclared", message });

const becomes = (status: TaskRunStatus): Transition => ({ status });

const refused = (why: string): Transition => ({ refused: why });
