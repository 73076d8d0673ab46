/** A TaskRun as Trigger.dev's clients read it (`runs.retrieve`, `runs.list`). Times are RFC 3339. */
import { batchId, runId, scheduleId } from "@fairlead/protocol/ids";
import { idempotencyKeyAnnotation } from "@fairlead/protocol/labels";
import { formatDuration } from "../../../model/durations.ts";
import type { Attempt, RunError, TaskRun } from "../../../model/resources.ts";
import { flagsOf, statusFor, statusOf } from "./status.ts";

/**
 * Payload and output: the value as JSON, or where to fetch it. The `…Meta` are Fairlead's own: with them
 * superjson restores types that JSON does not have.
 */
export interface RunData {
  payload?: unknown;
  payloadMeta?: unknown;
  payloadPresignedUrl?: string;
  output?: unknown;
  outputMeta?: unknown;
  outputPresignedUrl?: string;
}

/** What a list and a single run have in common. */
export function commonFields(run: TaskRun & { id?: string }, apiVersion: string | undefined) {
  const { metadata, spec, status = {} } = run;
  const name = statusOf(run);
  const createdAt = metadata.creationTimestamp ?? "";
  const { startedAt, finishedAt } = status;
  const changed =
    [finishedAt, startedAt, status.queuedAt, createdAt].find((at) => at !== undefined) ?? createdAt;
  return {
    id: run.id ?? runId(metadata.name),
    status: statusFor(name, apiVersion),
    taskIdentifier: spec.task ?? "container",
    idempotencyKey: metadata.annotations?.[idempotencyKeyAnnotation] ?? spec.idempotencyKey,
    version: status.version,
    ...flagsOf(name, status.phase),
    isTest: spec.test ?? false,
    createdAt,
    updatedAt: changed,
    startedAt,
    finishedAt,
    delayedUntil: spec.delayUntil,
    ttl: spec.ttlSeconds ? formatDuration(spec.ttlSeconds) : undefined,
    expiredAt: status.phase === "Expired" ? finishedAt : undefined,
    tags: spec.tags ?? [],
    costInCents: 0,
    baseCostInCents: 0,
    durationMs: startedAt && finishedAt ? Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)) : 0,
    metadata: spec.metadata,
  };
}

export function listItem(run: TaskRun & { id?: string }, apiVersion: string | undefined) {
  return {
    ...commonFields(run, apiVersion),
    env: { id: run.metadata.namespace, name: run.metadata.namespace },
  };
}

export function runObject(
  run: TaskRun & { id?: string },
  apiVersion: string | undefined,
  data: RunData = {},
) {
  const { spec, status = {} } = run;
  const attempts = status.attempts ?? [];
  return {
    ...commonFields(run, apiVersion),
    ...data,
    depth: 0,
    triggerFunction: spec.batch ? "batchTrigger" : "trigger",
    batchId: spec.batch && batchId(spec.batch.name),
    error: errorOf(status.error),
    schedule: spec.schedule && {
      id: scheduleId(spec.schedule.name),
      generator: { type: "CRON", expression: "", description: "" },
    },
    relatedRuns: {},
    waiting: waitingOf(run),
    attemptCount: status.attempt ?? 0,
    attempts: attempts.map((attempt) => attemptObject(run, attempt)),
  };
}

/** Fairlead's own: what a run that has not started waits for, in words and numbers. */
function waitingOf({ spec, status = {} }: TaskRun) {
  const { phase, reason, message, since, waiting, nextAttemptAt } = status;
  if (phase !== "Delayed" && phase !== "Queued" && phase !== "Starting") return undefined;
  const until = phase === "Delayed" ? spec.delayUntil : nextAttemptAt;
  const { queue, limit, running, place, queued } = waiting ?? {};
  return { reason, message, since, until, queue, limit, running, place, queued };
}

const outcomes: Record<NonNullable<Attempt["outcome"]>, string> = {
  Completed: "COMPLETED",
  Canceled: "CANCELED",
  Failed: "FAILED",
  Crashed: "FAILED",
  TimedOut: "FAILED",
  Infrastructure: "FAILED",
};

function attemptObject(run: TaskRun, attempt: Attempt) {
  return {
    id: `attempt_${run.metadata.name}-${attempt.number}`,
    status: attempt.outcome ? outcomes[attempt.outcome] : attempt.startedAt ? "EXECUTING" : "PENDING",
    createdAt: attempt.admittedAt,
    updatedAt: attempt.finishedAt ?? attempt.startedAt ?? attempt.admittedAt,
    startedAt: attempt.startedAt,
    completedAt: attempt.finishedAt,
    error: errorOf(attempt.error),
  };
}

export const errorOf = (error: RunError | undefined) =>
  error && { name: error.name, message: error.message, stackTrace: error.stack };
