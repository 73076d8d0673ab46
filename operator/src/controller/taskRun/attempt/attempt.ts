/**
 * Starting and Executing: makes sure that the attempt has its Job, and turns what the pod shows into events.
 *
 * A pod counts as missing only when it was seen (its uid is in status) and a live read confirms that it is gone.
 * A missing Job of an attempt that never ran is created again: its name is the same, so there is still only one.
 */
import { attemptSelector } from "@fairlead/protocol/labels";
import type { V1Pod } from "@kubernetes/client-node";
import { endOfContainer, reportOf } from "../../../jobs/attemptEnd.ts";
import { attemptEnv } from "../../../jobs/attemptEnv.ts";
import { buildJob } from "../../../jobs/jobBuilder.ts";
import { type ContainerEnd, observePod } from "../../../jobs/podObserver.ts";
import { type Program, resolveProgram } from "../../../jobs/program.ts";
import { KubeError } from "../../../kube/client/client.ts";
import { Events, Jobs, Pods } from "../../../kube/resources.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import { currentAttempt } from "../../../model/run/attempts.ts";
import type { AttemptEnd, PodRef } from "../../../model/run/event.ts";
import { endOfReport } from "../../../model/run/report.ts";
import { retryPolicy } from "../../../model/run/retry.ts";
import { AdmissionClosedError } from "../../../queue/namespaceAdmission.ts";
import { containerOutputKey } from "../../../storage/layout.ts";
import { storeReportOutput } from "../../../storage/reportOutput.ts";
import { keyOf, type RunDeps } from "../../deps.ts";
import { taskOf } from "../../task/lookup.ts";
import { applyRunEvent } from "../applyRunEvent.ts";
import type { CachedRun } from "../cache.ts";
import { attemptPayload, PayloadChanged } from "../payload.ts";
import { containerOutput } from "./containerOutput.ts";

/** How often a Job without a pod is asked for the reason. */
const recheckMs = 5_000;
/** Lifetime of the presigned PUT for a container's output: the longest that S3 signatures allow. */
const outputUrlSeconds = 7 * 24 * 3600;

export async function followAttempt(deps: RunDeps, run: CachedRun): Promise<CachedRun | undefined> {
  const attempt = currentAttempt(run.status);
  if (!attempt) return undefined;
  const program = await programOf(deps, run, attempt);
  if (!program) {
    const message = `Task ${run.spec.task} was deleted before attempt ${attempt.number} started.`;
    return endAttempt(deps, run, attempt, failed("TaskNotFound", message));
  }
  const pod = podOf(deps, run, attempt);
  if (pod) return followPod(deps, run, attempt, program, pod);
  if (attempt.podUid) return confirmMissing(deps, run, attempt);
  if (!deps.jobs.get(run.metadata.namespace, attempt.job)) return createJob(deps, run, attempt, program);
  return awaitPod(deps, run, attempt, program);
}

/** The pod of an attempt from the cache; the one that status names when there are several. */
export function podOf(deps: Pick<RunDeps, "pods">, run: TaskRun, attempt: Attempt): V1Pod | undefined {
  const pods = deps.pods.byIndex(
    "attempt",
    `${run.metadata.namespace}/${run.metadata.name}/${attempt.number}`,
  );
  return pods.find((p) => p.metadata?.uid === attempt.podUid) ?? pods[0];
}

export const placeOf = (pod: V1Pod | undefined): PodRef => ({
  pod: pod?.metadata?.name,
  podUid: pod?.metadata?.uid,
  node: pod?.spec?.nodeName,
});

/** What the attempt executes; undefined when its Task and version are gone. */
export async function programOf(
  deps: RunDeps,
  run: TaskRun,
  attempt?: Attempt,
): Promise<Program | undefined> {
  const defaults = deps.config.defaults;
  if (run.spec.container) return resolveProgram(run, undefined, defaults, attempt);
  const task = taskOf(deps, run.metadata.namespace, run.spec.task ?? "");
  const version = run.status?.version;
  if (!task || !version) return undefined;
  const pinned = await deps.versions.get(run.metadata.namespace, task.metadata.name, version);
  return pinned && resolveProgram(run, pinned, defaults, attempt);
}

async function followPod(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
  pod: V1Pod,
): Promise<CachedRun | undefined> {
  const seen = observePod(pod);
  switch (seen.state) {
    case "pending": {
      const late = await startTimeout(deps, run, attempt, program, seen.blocked, seen.waiting);
      if (late || !seen.blocked) return late;
      return applyRunEvent(deps, run, { type: "StartBlocked", attempt: attempt.number, ...seen.blocked });
    }
    case "running": {
      if (run.status?.phase === "Starting") {
        return applyRunEvent(deps, run, {
          type: "Started",
          attempt: attempt.number,
          at: seen.startedAt,
          ...placeOf(pod),
        });
      }
      return maxDuration(deps, run, attempt, program);
    }
    case "ended": {
      const end = await endOf(deps, run, attempt, program, pod, seen.end);
      return endAttempt(deps, run, attempt, end, placeOf(pod), program);
    }
    case "lost":
      return nodeLost(deps, run, attempt, pod, seen.since);
  }
}

async function endOf(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
  pod: V1Pod,
  end: ContainerEnd,
): Promise<AttemptEnd> {
  if (program.kind === "container") {
    return endOfContainer(program, end, await containerOutput(deps, run, attempt, end));
  }
  const report = reportOf(end, attempt.number, pod.metadata?.uid);
  if (!report) return endOfContainer(program, end);
  return {
    ...endOfReport(await storeReportOutput(deps.store, run.metadata, report)),
    exitCode: end.exitCode,
  };
}

/** Ends the attempt once its node has been silent for longer than the run may wait for it. */
async function nodeLost(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  pod: V1Pod,
  since: string,
): Promise<CachedRun | undefined> {
  const due = nodeLostAt(deps, since);
  if (deps.clock() < due) {
    deps.queue.addAt(keyOf(run), due);
    return undefined;
  }
  return endAttempt(deps, run, attempt, nodeLostEnd(pod), placeOf(pod));
}

export const nodeLostAt = (deps: RunDeps, since: string): number =>
  Date.parse(since) + deps.config.nodeLostAfterSeconds * 1000;

function nodeLostEnd(pod: V1Pod): AttemptEnd {
  const message = `Node ${pod.spec?.nodeName} does not answer; the attempt is given up.`;
  return { outcome: "Infrastructure", reason: "NodeLost", message, error: { name: "NodeLost", message } };
}

async function confirmMissing(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
): Promise<CachedRun | undefined> {
  const { namespace, name } = run.metadata;
  const live = await deps.client.list(Pods, namespace, {
    labelSelector: attemptSelector(name, attempt.number),
  });
  if (live.items.length > 0) {
    deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
    return undefined;
  }
  const job = await deps.client.get(Jobs, namespace, attempt.job);
  if (job?.status?.conditions?.some((c) => c.type === "Failed" && c.reason === "DeadlineExceeded")) {
    const message = "The attempt ran into the deadline of its Job while no controller was there to stop it.";
    const error = { name: "DeadlineExceeded", message };
    return endAttempt(deps, run, attempt, { outcome: "TimedOut", reason: error.name, message, error });
  }
  const message = `The pod${attempt.pod ? ` ${attempt.pod}` : ""} was deleted while the attempt ran.`;
  return endAttempt(deps, run, attempt, {
    outcome: "Infrastructure",
    reason: "PodDeleted",
    message,
    error: { name: "PodDeleted", message },
  });
}

async function createJob(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
): Promise<CachedRun | undefined> {
  const late = await startTimeout(deps, run, attempt, program);
  if (late) return late;
  const held = await isHeld(deps, run);
  if (held === undefined) return undefined;
  if (!held) return applyRunEvent(deps, run, { type: "SlotLost", attempt: attempt.number });
  const { namespace } = run.metadata;
  try {
    const outputUrl =
      program.kind === "container"
        ? await deps.store.presignPut(containerOutputKey(run.metadata, attempt.number), {
            expiresSeconds: outputUrlSeconds,
            audience: "cluster",
          })
        : undefined;
    const access = {
      apiUrl: deps.config.apiUrl,
      token: await deps.tokens.sign({
        ns: namespace,
        run: run.metadata.name,
        uid: run.metadata.uid,
        attempt: attempt.number,
        retry: program.retry,
      }),
      payload: await attemptPayload(deps, run, program),
      outputUrl,
    };
    const env = attemptEnv(run, attempt, program, access);
    const job = await deps.client.create(Jobs, namespace, buildJob(run, attempt, program, { env }));
    deps.jobs.upsertFromWrite(job);
  } catch (error) {
    return jobProblem(deps, run, attempt, error);
  }
  return undefined;
}

/** Undefined while the queues are closed: the run is looked at again when they are open, at the latest in a while. */
async function isHeld(deps: RunDeps, run: CachedRun): Promise<boolean | undefined> {
  try {
    return await deps.slots.confirm(run);
  } catch (error) {
    if (!(error instanceof AdmissionClosedError)) throw error;
    deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
    return undefined;
  }
}

/** What a failed creation of the Job means for the attempt; throws what may pass by itself. */
async function jobProblem(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  error: unknown,
): Promise<CachedRun | undefined> {
  if (error instanceof PayloadChanged)
    return endAttempt(deps, run, attempt, failed(error.name, error.message));
  if (!(error instanceof KubeError)) throw error;
  if (error.reason === "AlreadyExists") {
    const job = await deps.client.get(Jobs, run.metadata.namespace, attempt.job);
    if (!job || job.metadata?.ownerReferences?.some((o) => o.uid === run.metadata.uid)) {
      if (job) deps.jobs.upsertFromWrite(job);
      deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
      return undefined;
    }
    const message = `Job ${attempt.job} exists already and does not belong to this run: delete it or rename the run.`;
    return endAttempt(deps, run, attempt, failed("JobNameTaken", message));
  }
  if (error.status === 422 || error.reason === "BadRequest") {
    return endAttempt(
      deps,
      run,
      attempt,
      failed("InvalidJob", `The API server refused the Job: ${error.message}`),
    );
  }
  if (error.status === 403) {
    deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
    return applyRunEvent(deps, run, {
      type: "StartBlocked",
      attempt: attempt.number,
      reason: /quota/i.test(error.message) ? "QuotaExceeded" : "Forbidden",
      message: error.message,
    });
  }
  throw error;
}

/** The Job is there and has no pod: asks its Events why (quota, pod security), until the start timeout. */
async function awaitPod(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
): Promise<CachedRun | undefined> {
  const since = Date.parse(attempt.admittedAt);
  if (deps.clock() < since + recheckMs) {
    deps.queue.addAt(keyOf(run), since + recheckMs);
    return undefined;
  }
  const events = await deps.client.list(Events, run.metadata.namespace, {
    fieldSelector: `involvedObject.kind=Job,involvedObject.name=${attempt.job},reason=FailedCreate`,
    limit: 10,
  });
  const message = events.items.at(-1)?.message;
  const blocked = message
    ? { reason: /quota/i.test(message) ? "QuotaExceeded" : "FailedCreate", message }
    : undefined;
  const late = await startTimeout(deps, run, attempt, program, blocked);
  if (late) return late;
  deps.queue.addAt(keyOf(run), deps.clock() + recheckMs);
  if (!blocked) return undefined;
  return applyRunEvent(deps, run, { type: "StartBlocked", attempt: attempt.number, ...blocked });
}

async function startTimeout(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
  blocked?: { reason: string; message: string },
  waiting?: string,
): Promise<CachedRun | undefined> {
  const due = Date.parse(attempt.admittedAt) + program.startTimeoutSeconds * 1000;
  if (deps.clock() < due) {
    deps.queue.addAt(keyOf(run), due);
    return undefined;
  }
  const last = run.status?.reason === "Admitted" ? undefined : run.status;
  const why = blocked ?? {
    reason: last?.reason ?? "StartTimeout",
    message: last?.message ?? stillWaiting(waiting),
  };
  const message = `Not started within startTimeoutSeconds, ${program.startTimeoutSeconds} s. ${why.message}`;
  return applyRunEvent(deps, run, {
    type: "StartTimedOut",
    attempt: attempt.number,
    reason: why.reason,
    message,
  });
}

const stillWaiting = (waiting: string | undefined): string =>
  waiting
    ? `The pod gives no reason; it is ${waiting}.`
    : "There is no pod, and no reason for that is known.";

async function maxDuration(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  program: Program,
): Promise<CachedRun | undefined> {
  const seconds = program.maxDurationSeconds;
  const due = Date.parse(attempt.startedAt ?? attempt.admittedAt) + seconds * 1000;
  if (deps.clock() < due) {
    deps.queue.addAt(keyOf(run), due);
    return undefined;
  }
  return applyRunEvent(deps, run, { type: "MaxDurationElapsed", attempt: attempt.number, seconds });
}

const failed = (reason: string, message: string): AttemptEnd => ({
  outcome: "Failed",
  reason,
  message,
  retryable: false,
  error: { name: reason, message: message.slice(0, 1024) },
});

async function endAttempt(
  deps: RunDeps,
  run: CachedRun,
  attempt: Attempt,
  end: AttemptEnd,
  place: PodRef = {},
  program?: Program,
): Promise<CachedRun | undefined> {
  const retry = (program ?? (await programOf(deps, run, attempt)))?.retry ?? retryPolicy(run, undefined);
  return applyRunEvent(deps, run, {
    type: "AttemptEnded",
    attempt: attempt.number,
    end,
    retry,
    random: deps.random(),
    ...place,
  });
}
