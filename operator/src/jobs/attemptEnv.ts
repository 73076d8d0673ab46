/**
 * The environment of an attempt's container: its contract with the runner and with any other program.
 * docs/use/containers.md describes it to users. It is part of the pod's spec, which many may read: no value
 * opens anything, and none is what a run was given (its payload, metadata, tags).
 */
import type { SentContext } from "@fairlead/protocol/context";
import { type EnvName, env } from "@fairlead/protocol/env";
import { runId } from "@fairlead/protocol/ids";
import { runnerApi } from "@fairlead/protocol/runnerApi";
import type { V1EnvVar } from "@kubernetes/client-node";
import { type EnvironmentType, triggerEnvironments } from "../model/environment.ts";
import { queueNameOf } from "../model/queue/governing.ts";
import type { Attempt, TaskRun } from "../model/resources.ts";
import { podTokenFile } from "./podToken.ts";
import { type Program, retryOf, type TaskProgram } from "./program.ts";

interface AttemptAccess {
  apiUrl: string;
  /** Of the run's namespace. */
  environment: EnvironmentType;
  hasPayload: boolean;
}

export function attemptEnv(
  run: TaskRun,
  attempt: Attempt,
  program: Program,
  access: AttemptAccess,
): V1EnvVar[] {
  const values: Partial<Record<EnvName, string>> = {
    [env.apiUrl]: access.apiUrl,
    [env.tokenFile]: podTokenFile,
    [env.runId]: runId(run.metadata.name),
    [env.namespace]: run.metadata.namespace,
    [env.attempt]: String(attempt.number),
    [env.gracePeriodSeconds]: String(program.gracePeriodSeconds),
  };
  if (program.kind === "task") {
    values[env.taskId] = program.taskId;
    values[env.entry] = program.entry;
    values[env.bundle] = program.bundle && JSON.stringify(program.bundle);
    values[env.context] = JSON.stringify(context(run, attempt, program, access.environment));
  } else {
    const own = `${access.apiUrl.replace(/\/+$/, "")}${runnerApi}/attempt`;
    values[env.outputUrl] = `${own}/output`;
    if (access.hasPayload) {
      values[env.payloadUrl] = `${own}/payload`;
      values[env.payloadType] = run.spec.payloadType ?? "application/json";
    }
  }
  const list: V1EnvVar[] = [{ name: env.podUid, valueFrom: { fieldRef: { fieldPath: "metadata.uid" } } }];
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) list.push({ name, value: escaped(value) });
  }
  return list;
}

/** Kubernetes expands `$(NAME)` in values, and makes one `$` of two. */
const escaped = (value: string): string => value.replaceAll("$", "$$$$");

/** What a task sees as `ctx`, less what its tenant wrote. */
function context(
  run: TaskRun,
  attempt: Attempt,
  program: TaskProgram,
  environment: EnvironmentType,
): SentContext {
  const { spec, metadata } = run;
  return {
    task: { id: program.taskId },
    attempt: { number: attempt.number, startedAt: attempt.admittedAt },
    run: {
      id: runId(metadata.name),
      createdAt: metadata.creationTimestamp ?? attempt.admittedAt,
      startedAt: run.status?.startedAt ?? attempt.admittedAt,
      isTest: spec.test ?? false,
      maxDuration: program.maxDurationSeconds,
      maxAttempts: program.retry.maxAttempts,
      infrastructureRetries: run.status?.infrastructureRetries ?? 0,
      priority: spec.priority,
      version: run.status?.version,
    },
    queue: { name: queueNameOf(run, undefined) },
    environment: { slug: metadata.namespace, type: triggerEnvironments[environment] },
    machine: program.machine ? { name: program.machine } : undefined,
    retry: retryOf(program),
  };
}
