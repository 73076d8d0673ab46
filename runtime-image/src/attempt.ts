/**
 * One attempt from start to exit. The result is written to the termination message first (durable: the
 * kubelet keeps it) and then reported to the API (fast); either settles the run, so an API that is down costs
 * a bounded wait.
 *
 *   exit code 0: reported as completed       1: failed, or stopped without a result
 */
import { type Report, reportVersion } from "@fairlead/protocol/report";
import { EngineApi, podToken } from "./engineApi.ts";
import type { Environment } from "./environment.ts";
import { execute, type Result } from "./execution.ts";
import { Failure, failureOf, inspected, reportedError } from "./failure.ts";
import { Guard } from "./guard.ts";
import { Host } from "./host/host.ts";
import { Refused } from "./http.ts";
import { metadataApi } from "./publicApi.ts";
import { flushOutput, warn } from "./stdio.ts";
import { Stop } from "./stop.ts";
import { fits, TerminationMessage } from "./terminationMessage.ts";
import { waitingBy } from "./waiting/waits.ts";

/** The controller learns of the exit a second later anyway: insisting would be slower than giving up. */
const reportBudgetMs = 5000;
/** The run's last changes of its metadata: before the report, since a run that has ended keeps them. */
const metadataBudgetMs = 5000;
/** Only the API can take the result. */
const onlyReportBudgetMs = 60_000;

export async function runAttempt(environment: Environment): Promise<never> {
  const { attempt, podUid } = environment;
  const startedAt = new Date().toISOString();
  const api = new EngineApi(environment, clientVariables(environment));
  const message = new TerminationMessage(environment.terminationLog, { attempt, podUid, startedAt });
  let exitCode = 1;
  const guard = new Guard((code, during) => {
    if (!message.settled && !stop.requested) {
      const text = `The task called process.exit(${code}) during ${during}; return from run to complete, or throw to fail`;
      // Zero is no accident: another attempt would end in the same way.
      const failure = new Failure("PROCESS_EXIT", text, { retryable: code !== 0 });
      message.settle(reportOf({ outcome: "failed", failure }));
      logFailure(failure);
    }
    return exitCode;
  });
  const stop = new Stop({
    ask: (timeoutMs) => api.stopReason(timeoutMs),
    mark: (reason) => {
      stoppingAt ??= new Date().toISOString();
      message.mark({ outcome: "stopping", stoppingAt, reason });
    },
    gracePeriodMs: environment.gracePeriodMs,
  });
  let stoppingAt: string | undefined;
  const reportOf = (result: Exclude<Result, { outcome: "stopped" }>): Report => ({
    v: reportVersion,
    attempt,
    podUid,
    outcome: result.outcome,
    ...(result.outcome === "completed"
      ? { output: result.output }
      : { error: reportedError(result.failure) }),
    startedAt,
    finishedAt: new Date().toISOString(),
  });
  const access = {
    baseURL: environment.apiUrl,
    get accessToken(): string {
      return api.token;
    },
  };
  const host = new Host({
    attempt: {
      // Tags and metadata come with the payload.
      ctx: { ...environment.ctx, run: { ...environment.ctx.run, tags: [] } },
      signal: stop.signal,
      waiting: waitingBy(api, warn),
      metadata: metadataApi(access, environment.ctx.run.id),
      api: access,
    },
    warn,
  });
  const result: Result = await execute({
    environment,
    host,
    api,
    stop,
    guard,
    startedAt,
    fits: (output) => fits(reportOf({ outcome: "completed", output })),
  }).catch((error) => ({ outcome: "failed", failure: failureOf(error) }));
  if (result.outcome !== "stopped") {
    const report = reportOf(result);
    exitCode = report.outcome === "completed" ? 0 : 1;
    const durable = message.settle(report);
    if (result.outcome === "failed") logFailure(result.failure);
    await host.metadata?.flush(metadataBudgetMs);
    await api.report(report, durable ? reportBudgetMs : onlyReportBudgetMs).catch((error) => {
      // The attempt had ended already, by a cancellation or its maxDuration.
      if (error instanceof Refused && error.status === 409) return;
      warn("the report could not be sent to the API, the termination message has it:", error.message);
    });
  }
  await flushOutput();
  process.exit(exitCode);
}

/** The log shows the error as Node would, for users who read only `kubectl logs`. */
function logFailure(failure: Failure): void {
  if (failure.thrown) console.error(inspected(failure.thrown.value));
  else warn(`${failure.name}: ${failure.message}`);
}

/**
 * For code that calls the API without an SDK: its address and the attempt's token, as it is now; while
 * modules load, which does not wait for that, its pod's. What the task's own pod template sets stays, and an
 * address of its own gets no token of ours.
 */
function clientVariables({ apiUrl, tokenFile }: Environment): (token: string) => void {
  const { env } = process;
  const isOurs = env.TRIGGER_SECRET_KEY === undefined && (env.TRIGGER_API_URL ?? apiUrl) === apiUrl;
  env.TRIGGER_API_URL ??= apiUrl;
  const set = (token: string): void => {
    if (isOurs) env.TRIGGER_SECRET_KEY = token;
  };
  set(podToken(tokenFile));
  return set;
}
