/** What this attempt is to execute, read from the variables that the operator set on its container. */
import type { SentContext, SentRetry } from "@fairlead/protocol/context";
import { type EnvName, env } from "@fairlead/protocol/env";
import type { BundleParts } from "@fairlead/protocol/runnerApi";

export interface Environment {
  apiUrl: string;
  /** Where Kubernetes keeps the pod's token. */
  tokenFile: string;
  attempt: number;
  podUid: string;
  taskId: string;
  /** Path of the module that defines the task. */
  entry: string;
  /** The entry is within it. */
  bundle?: BundleParts;
  /** Without what the API hands over. */
  ctx: Omit<SentContext<Date>, "retry">;
  retry?: SentRetry;
  gracePeriodMs: number;
  terminationLog: string;
}

type Variables = Partial<Record<EnvName, string>>;

const defaultGraceSeconds = 30;

export function readEnvironment(variables: Variables): Environment {
  const attempt = Number(required(variables, env.attempt));
  if (!Number.isInteger(attempt) || attempt < 1) {
    throw new Error(`${env.attempt}: "${variables[env.attempt]}" is not an integer from 1`);
  }
  const grace = Number(variables[env.gracePeriodSeconds] ?? defaultGraceSeconds);
  return {
    apiUrl: required(variables, env.apiUrl).replace(/\/+$/, ""),
    tokenFile: required(variables, env.tokenFile),
    attempt,
    podUid: required(variables, env.podUid),
    taskId: required(variables, env.taskId),
    entry: variables[env.entry] || "/app/tasks.mjs",
    bundle: variables[env.bundle] ? (JSON.parse(variables[env.bundle] ?? "") as BundleParts) : undefined,
    ...readContext(required(variables, env.context)),
    gracePeriodMs: (Number.isFinite(grace) ? grace : defaultGraceSeconds) * 1000,
    terminationLog: variables[env.terminationLog] || "/dev/termination-log",
  };
}

function required(variables: Variables, name: EnvName): string {
  const value = variables[name];
  if (!value) {
    throw new Error(
      `${name}: not set; this program is started by Fairlead's controller, in one pod for each attempt`,
    );
  }
  return value;
}

/** JSON has no dates; the context has. */
function readContext(text: string): Pick<Environment, "ctx" | "retry"> {
  try {
    const { run, attempt, retry, ...rest } = JSON.parse(text) as SentContext;
    const [createdAt, startedAt] = [new Date(run.createdAt), new Date(run.startedAt)];
    const ctx = {
      ...rest,
      run: { ...run, createdAt, startedAt },
      attempt: { ...attempt, startedAt: new Date(attempt.startedAt) },
    };
    return { ctx, retry };
  } catch (error) {
    throw new Error(`${env.context}: not the run's context as JSON: ${(error as Error).message}`);
  }
}
