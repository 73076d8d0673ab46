/**
 * The environment of an attempt's container: its contract with the runner and with any other program.
 * docs/use/containers.md describes it to users.
 */
import { runId } from "@fairlead/protocol/ids";
import type { V1EnvVar } from "@kubernetes/client-node";
import type { Attempt, TaskRun } from "../model/resources.ts";
import type { Program } from "./program.ts";

export interface AttemptAccess {
  apiUrl: string;
  token: string;
  /** Absent when the run has no payload. `text` only up to maxPayloadEnvBytes. */
  payload?: { text?: string; type: string; url?: string };
  /** Inline containers only. */
  outputUrl?: string;
}

export function attemptEnv(
  run: TaskRun,
  attempt: Attempt,
  program: Program,
  access: AttemptAccess,
): V1EnvVar[] {
  const values: Record<string, string | undefined> = {
    FAIRLEAD_API_URL: access.apiUrl,
    FAIRLEAD_RUN_TOKEN: access.token,
    FAIRLEAD_RUN_ID: runId(run.metadata.name),
    FAIRLEAD_NAMESPACE: run.metadata.namespace,
    FAIRLEAD_ATTEMPT: String(attempt.number),
    FAIRLEAD_PAYLOAD: access.payload?.text,
    FAIRLEAD_PAYLOAD_TYPE: access.payload?.type,
    FAIRLEAD_PAYLOAD_URL: access.payload?.url,
    FAIRLEAD_OUTPUT_URL: access.outputUrl,
    FAIRLEAD_GRACE_PERIOD_SECONDS: String(program.gracePeriodSeconds),
  };
  if (program.kind === "task") {
    values.FAIRLEAD_TASK_ID = program.taskId;
    values.FAIRLEAD_ENTRY = program.entry;
    values.FAIRLEAD_CTX = JSON.stringify(context(run, attempt, program));
  }
  const env: V1EnvVar[] = [
    { name: "FAIRLEAD_POD_UID", valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } },
  ];
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) env.push({ name, value: escaped(value) });
  return env;
}

/** Kubernetes expands `$(NAME)` in values, and makes one `$` of two. */
const escaped = (value: string): string => value.replaceAll("$", "$$$$");

/** What a task sees as `ctx`, less what the runner knows by itself. Shape: TaskContext in the SDK. */
function context(run: TaskRun, attempt: Attempt, program: Program): object {
  const { spec, metadata } = run;
  return {
    task: { id: program.taskId },
    attempt: { number: attempt.number, startedAt: attempt.admittedAt },
    run: {
      id: runId(metadata.name),
      createdAt: metadata.creationTimestamp,
      startedAt: run.status?.startedAt ?? attempt.admittedAt,
      tags: spec.tags ?? [],
      isTest: spec.test ?? false,
      maxDuration: program.maxDurationSeconds,
      maxAttempts: program.retry.maxAttempts,
      infrastructureRetries: run.status?.infrastructureRetries ?? 0,
      priority: spec.priority,
      idempotencyKey: spec.idempotencyKey,
      version: run.status?.version,
      metadata: spec.metadata,
    },
    queue: { name: spec.queue?.name ?? `task/${program.taskId}` },
    environment: { slug: metadata.namespace, type: "PRODUCTION" },
    machine: program.machine ? { name: program.machine } : undefined,
  };
}
