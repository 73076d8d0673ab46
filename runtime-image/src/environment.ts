/**
 * What the controller tells this attempt, from the variables that operator/src/jobs/attemptEnv.ts sets.
 */
import type { TaskContext } from "../../sdk/src/context.ts";

export interface Environment {
  apiUrl: string;
  token: string;
  attempt: number;
  podUid: string;
  taskId: string;
  /** Path of the module that defines the task. */
  entry: string;
  payload?: string;
  payloadType: string;
  payloadUrl?: string;
  ctx: TaskContext;
  gracePeriodMs: number;
  terminationLog: string;
}

type Variables = Record<string, string | undefined>;

export function readEnvironment(variables: Variables): Environment {
  const attempt = Number(required(variables, "FAIRLEAD_ATTEMPT"));
  if (!Number.isInteger(attempt) || attempt < 1) {
    throw new Error(`FAIRLEAD_ATTEMPT is ${variables.FAIRLEAD_ATTEMPT}, it must be an integer from 1`);
  }
  const taskId = required(variables, "FAIRLEAD_TASK_ID");
  const grace = Number(variables.FAIRLEAD_GRACE_PERIOD_SECONDS ?? 30);
  return {
    apiUrl: required(variables, "FAIRLEAD_API_URL").replace(/\/+$/, ""),
    token: required(variables, "FAIRLEAD_RUN_TOKEN"),
    attempt,
    podUid: required(variables, "FAIRLEAD_POD_UID"),
    taskId,
    entry: variables.FAIRLEAD_ENTRY || "/app/tasks.mjs",
    payload: variables.FAIRLEAD_PAYLOAD,
    payloadType: variables.FAIRLEAD_PAYLOAD_TYPE || "application/json",
    payloadUrl: variables.FAIRLEAD_PAYLOAD_URL,
    ctx: readContext(required(variables, "FAIRLEAD_CTX")),
    gracePeriodMs: (Number.isFinite(grace) ? grace : 30) * 1000,
    terminationLog: variables.FAIRLEAD_TERMINATION_LOG || "/dev/termination-log",
  };
}

function required(variables: Variables, name: string): string {
  const value = variables[name];
  if (!value) {
    throw new Error(
      `${name} is not set: this program is started by Fairlead's controller, one pod for each attempt`,
    );
  }
  return value;
}

/** JSON has no dates; the context has. */
function readContext(text: string): TaskContext {
  try {
    const ctx = JSON.parse(text) as TaskContext;
    ctx.run.createdAt = new Date(ctx.run.createdAt);
    ctx.run.startedAt = new Date(ctx.run.startedAt);
    ctx.attempt.startedAt = new Date(ctx.attempt.startedAt);
    return ctx;
  } catch (error) {
    throw new Error(`FAIRLEAD_CTX is not the run's context as JSON: ${(error as Error).message}`);
  }
}
