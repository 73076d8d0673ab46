/**
 * The environment of an attempt's container: its contract with the runner and with any other program.
 * docs/use/containers.md describes it to users.
 */
import type { SentContext } from "@fairlead/protocol/context";
import { type EnvName, env } from "@fairlead/protocol/env";
import { runId } from "@fairlead/protocol/ids";
import { maxMetadataEnvBytes, maxPayloadEnvBytes } from "@fairlead/protocol/limits";
import type { V1EnvVar } from "@kubernetes/client-node";
import { type EnvironmentType, triggerEnvironments } from "../model/environment.ts";
import { queueNameOf } from "../model/queue/governing.ts";
import type { Attempt, TaskRun } from "../model/resources.ts";
import type { Program, TaskProgram } from "./program.ts";

interface AttemptAccess {
  apiUrl: string;
  /** Of the run's namespace. */
  environment: EnvironmentType;
  token: string;
  /** Absent when the run has no payload. `text` only if it fits into a variable. */
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
  const values: Partial<Record<EnvName, string>> = {
    [env.apiUrl]: access.apiUrl,
    [env.runToken]: access.token,
    [env.runId]: runId(run.metadata.name),
    [env.namespace]: run.metadata.namespace,
    [env.attempt]: String(attempt.number),
    [env.payload]: access.payload?.text,
    [env.payloadType]: access.payload?.type,
    [env.payloadUrl]: access.payload?.url,
    [env.outputUrl]: access.outputUrl,
    [env.gracePeriodSeconds]: String(program.gracePeriodSeconds),
  };
  if (program.kind === "task") {
    values[env.taskId] = program.taskId;
    values[env.entry] = program.entry;
    values[env.context] = JSON.stringify(context(run, attempt, program, access.environment));
  }
  const list: V1EnvVar[] = [{ name: env.podUid, valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } }];
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) list.push({ name, value: escaped(value) });
  }
  return list;
}

/** Kubernetes expands `$(NAME)` in values, and makes one `$` of two. */
const escaped = (value: string): string => value.replaceAll("$", "$$$$");

/** Whether a payload can be a variable: those end at U+0000, and Linux bounds their length. */
export const fitsVariable = (text: string): boolean =>
  !text.includes("\0") && Buffer.byteLength(text) <= maxPayloadEnvBytes;

/** What a task sees as `ctx`, less large metadata. */
function context(
  run: TaskRun,
  attempt: Attempt,
  program: TaskProgram,
  environment: EnvironmentType,
): SentContext {
  const { spec, metadata } = run;
  const hasLargeMetadata = Buffer.byteLength(JSON.stringify(spec.metadata ?? null)) > maxMetadataEnvBytes;
  return {
    task: { id: program.taskId },
    attempt: { number: attempt.number, startedAt: attempt.admittedAt },
    run: {
      id: runId(metadata.name),
      createdAt: metadata.creationTimestamp ?? attempt.admittedAt,
      startedAt: run.status?.startedAt ?? attempt.admittedAt,
      tags: spec.tags ?? [],
      isTest: spec.test ?? false,
      maxDuration: program.maxDurationSeconds,
      maxAttempts: program.retry.maxAttempts,
      infrastructureRetries: run.status?.infrastructureRetries ?? 0,
      priority: spec.priority,
      idempotencyKey: spec.idempotencyKey,
      version: run.status?.version,
      metadata: hasLargeMetadata ? undefined : spec.metadata,
    },
    queue: { name: queueNameOf(run, undefined) },
    environment: { slug: metadata.namespace, type: triggerEnvironments[environment] },
    machine: program.machine ? { name: program.machine } : undefined,
    ...(hasLargeMetadata ? { hasLargeMetadata } : {}),
  };
}
