/**
 * The attempt's Job: created once its slot is confirmed. What its pod is given, the API hands over when the
 * pod has shown who it is. What a refusal means for the attempt:
 *
 *   the slot is lost                      ─► back to the queue
 *   the queues are closed (a rebuild)     ─► again in a while
 *   payload changed, Job invalid, its name taken by something else ─► the attempt has failed for good
 *   its name is still that of a deleted run's Job ─► that one is deleted, and again in a moment
 *   the pod policy refuses it             ─► the attempt has failed for good (admission refuses it earlier;
 *                                             values may have changed since)
 *   quota, forbidden                      ─► StartBlocked, again in a while, until the start timeout
 *   anything else                         ─► thrown: the work queue tries again after its backoff
 */
import { runUidLabel } from "@fairlead/protocol/labels";
import type { V1Job } from "@kubernetes/client-node";
import { attemptEnv } from "../../../jobs/attemptEnv.ts";
import { buildJob } from "../../../jobs/jobBuilder.ts";
import { explainRefusals, forbiddenReason, refusalsOfRun } from "../../../jobs/podPolicy.ts";
import { policyIn } from "../../../jobs/podPolicySettings.ts";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { at, done, type Requeue } from "../../../kube/manager/requeue.ts";
import { Jobs } from "../../../kube/resources.ts";
import { BadKeyError } from "../../../model/keys/objectKey.ts";
import type { TaskRun } from "../../../model/resources.ts";
import { AdmissionClosedError } from "../../../queue/namespaceAdmission.ts";
import type { Deps } from "../../deps.ts";
import { whyClosed } from "../closed.ts";
import { unusablePayload } from "../payload.ts";
import { wholeRun } from "../wholeRun.ts";
import { endAttempt, failed } from "./ends.ts";
import { type AttemptDecision, type AttemptView, isJobOf, loadProgram, quotaOr, recheckMs } from "./view.ts";

/**
 * Less than passes between the end of a leader's term and the begin of the next one: a request of an earlier
 * leader cannot create a Job after the next one has looked for it.
 */
const createTimeoutMs = 4_000;

/** How soon a Job's name is tried again that an earlier run's Job still has. */
const leftoverRecheckMs = 500;

export type JobDeps = Pick<
  Deps,
  "admission" | "client" | "jobs" | "slots" | "environments" | "config" | "versions"
>;

/** What follows from it: `done` when the Job was created. */
export async function createJob(deps: JobDeps, view: AttemptView): Promise<AttemptDecision> {
  const { run, attempt } = view;
  if (!view.program) return done;
  try {
    const isHeld = await deps.slots.confirm(run);
    if (!isHeld) return { event: { type: "SlotLost", attempt: attempt.number } };
    const unusable = unusablePayload(run);
    if (unusable) return endAttempt(view, failed(unusable.reason, unusable.message));
    const whole = await wholeRun(deps, run, "spec");
    if (!whole) return done;
    const { program, pinned } = run.cut?.spec ? await loadProgram(deps, whole, attempt) : view;
    if (!program) return done;
    const { namespace } = run.metadata;
    const policy = policyIn(namespace, deps.config);
    const refusals = refusalsOfRun(whole, pinned, policy);
    if (refusals.length > 0) return endAttempt(view, failed(forbiddenReason, explainRefusals(refusals)));
    const env = attemptEnv(whole, attempt, program, {
      apiUrl: deps.config.apiUrl,
      environment: deps.environments.of(namespace).type,
      hasPayload: run.payload !== undefined || run.spec.payloadRef !== undefined,
    });
    const job = buildJob(run, attempt, program, env, policy);
    const created = await deps.client.create(Jobs, namespace, job, { timeoutMs: createTimeoutMs });
    deps.jobs.upsertFromWrite(created);
    return done;
  } catch (error) {
    if (KubeError.is(error, "AlreadyExists")) return adoptJob(deps, view);
    const decision = afterError(
      view,
      error,
      whyClosed(deps.admission, view.run.metadata.namespace, view.now),
    );
    if (!decision) throw error;
    return decision;
  }
}

/**
 * A Job of this name is there: an earlier create succeeded without our knowing, or it belongs to something
 * else.
 */
async function adoptJob(deps: JobDeps, view: AttemptView): Promise<AttemptDecision> {
  const { run, attempt } = view;
  const job = await deps.client.get(Jobs, run.metadata.namespace, attempt.job);
  if (job && isJobOf(run, job)) deps.jobs.upsertFromWrite(job);
  if (job && isLeftover(run, job)) await deleteLeftover(deps, job);
  return afterExisting(view, job);
}

/**
 * Of a TaskRun that had this run's name and was deleted: the garbage collector has not come to it, or has
 * to leave it (deletion with --cascade=orphan).
 */
function isLeftover(run: TaskRun, { metadata }: V1Job): boolean {
  const owners = metadata?.ownerReferences ?? [];
  if (owners.length === 0) return (metadata?.labels?.[runUidLabel] ?? run.metadata.uid) !== run.metadata.uid;
  return owners.every(
    ({ kind, name, uid }) => kind === "TaskRun" && name === run.metadata.name && uid !== run.metadata.uid,
  );
}

/** Its pods are stopped with their grace period. */
async function deleteLeftover({ client }: JobDeps, { metadata }: V1Job): Promise<void> {
  const { namespace, name = "", uid } = metadata ?? {};
  try {
    await client.delete(Jobs, namespace, name, { propagationPolicy: "Background", uid });
  } catch (error) {
    if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
  }
}

/** A leftover is in the way until it is gone, or until the start timeout. */
export function afterExisting(view: AttemptView, job: V1Job | undefined): AttemptDecision {
  if (!job || isJobOf(view.run, job)) return soon(view);
  if (isLeftover(view.run, job)) {
    const message = `Job ${view.attempt.job} of an earlier TaskRun with this name is being deleted; this run's own is created after it.`;
    return {
      event: { type: "StartBlocked", attempt: view.attempt.number, reason: "EarlierJob", message },
      requeue: at(view.now + leftoverRecheckMs),
    };
  }
  const message = `Job ${view.attempt.job} exists already and does not belong to this run: delete it or rename the run.`;
  return endAttempt(view, failed("JobNameTaken", message));
}

/** Undefined for what may pass by itself. `closed`: why admission is closed, if that is to be told. */
export function afterError(view: AttemptView, error: unknown, closed?: string): AttemptDecision | undefined {
  if (error instanceof AdmissionClosedError)
    return closed === undefined ? soon(view) : whileClosed(view, closed);
  if (error instanceof BadKeyError) return endAttempt(view, failed("InvalidKey", error.message));
  if (!(error instanceof KubeError)) return undefined;
  const { message, reason, status } = error;
  if (status === 422 || reason === "BadRequest")
    return endAttempt(view, failed("InvalidJob", `The API server refused the Job: ${message}`));
  if (status !== 403) return undefined;
  return {
    event: {
      type: "StartBlocked",
      attempt: view.attempt.number,
      reason: quotaOr("Forbidden", message),
      message,
    },
    requeue: soon(view),
  };
}

/** Its slot cannot be confirmed. The start timeout does not count meanwhile: nothing was started. */
const whileClosed = (view: AttemptView, closed: string): AttemptDecision => ({
  event: {
    type: "StartBlocked",
    attempt: view.attempt.number,
    reason: "AdmissionClosed",
    message: `The run has its slot, which cannot be confirmed now: ${closed} Its Job is created by itself afterwards.`,
  },
  requeue: soon(view),
});

const soon = ({ now }: AttemptView): Requeue => at(now + recheckMs);
