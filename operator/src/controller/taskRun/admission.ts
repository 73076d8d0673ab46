/**
 * Queued → Starting. What is known is gathered, the first check that applies decides, and one thing is done.
 *
 * The order of writes makes a crash between any two harmless:
 *
 *   slot in Redis ─► Starting written ─► slot confirmed ─► Job created (attempt/createJob.ts)
 *
 * A Starting run whose slot is not confirmed and that has no Job goes back to Queued.
 */
import { explainRefusals, forbiddenReason, refusalsOfRun } from "../../jobs/podPolicy.ts";
import { policyIn } from "../../jobs/podPolicySettings.ts";
import type { PinnedTask } from "../../jobs/program.ts";
import { at, done, earliest, type Lane, type Requeue, slowly } from "../../kube/manager/requeue.ts";
import { type EnvironmentType, ttlSecondsOf } from "../../model/environment.ts";
import type { Task } from "../../model/resources.ts";
import type { RunEvent } from "../../model/run/event.ts";
import { foundByAdmission, isWaitReason } from "../../model/run/waiting.ts";
import type { Deps } from "../deps.ts";
import { taskOf } from "../task/lookup.ts";
import { type Pinned, revisionOf, versionOf } from "../task/taskVersions.ts";
import { applyRunEvent, type EventDeps } from "./applyRunEvent.ts";
import type { CachedRun } from "./cache.ts";
import { type Check, type Decision, firstDecision, type Outcome, requeueOf } from "./decision.ts";
import { duplicateOf } from "./duplicates.ts";
import { recordHash } from "./keyRecords.ts";
import { parentOf } from "./parents.ts";
import { pendingOf } from "./queueEntry.ts";
import { waitOfRefused } from "./waiting.ts";
import { wholeRun } from "./wholeRun.ts";

/** How long a run may wait for a Task that does not exist before it fails. */
const unknownTaskLimitMs = 24 * 3600 * 1000;

/** What the caches know. */
interface QueuedView {
  run: CachedRun;
  task?: Task;
  environment: EnvironmentType;
  /** Milliseconds since the epoch. */
  now: number;
  /** Runs of the namespace that wait for others, and how many may; absent: without a bound. */
  waiting?: { count: number; limit: number };
}

/** What is read besides for a run that may start now. */
export interface AdmissionView extends QueuedView {
  /** The run's key or name was used before. */
  duplicate?: RunEvent;
  /** The version of the Task that the run is pinned to; absent for an inline container. */
  version?: Pinned & { isStored: boolean };
  /** Why the pod policy refuses the run. */
  forbidden?: string;
}

type AdmissionDecision = Decision<"takeSlot">;
type AdmissionDeps = EventDeps &
  Pick<
    Deps,
    "tasks" | "queues" | "environments" | "versions" | "store" | "slots" | "config" | "admission" | "room"
  >;

export async function admit(deps: AdmissionDeps, run: CachedRun, lane: Lane): Promise<Outcome> {
  const queued = viewOf(deps, run);
  const waiting = decideWaiting(queued);
  if (waiting) return act(deps, queued, waiting);
  // The record of its key is in the bucket, which may not answer: the ttl goes on.
  if (lane === "fast" && !run.status?.attempt && recordHash(run) !== undefined)
    return { requeue: earliest(slowly, ttlDue(queued)) };
  const view = await loadAdmission(deps, queued);
  return act(deps, view, decideAdmission(view));
}

function viewOf(deps: AdmissionDeps, run: CachedRun): QueuedView {
  const { namespace } = run.metadata;
  const { maxWaitingRuns } = deps.config;
  return {
    run,
    task: run.spec.task === undefined ? undefined : taskOf(deps, namespace, run.spec.task),
    environment: deps.environments.of(namespace).type,
    now: deps.clock(),
    ...(maxWaitingRuns > 0 && {
      waiting: { count: deps.runs.countByIndex("waiting", namespace), limit: maxWaitingRuns },
    }),
  };
}

async function loadAdmission(deps: AdmissionDeps, view: QueuedView): Promise<AdmissionView> {
  const { run, task } = view;
  const duplicate = run.status?.attempt ? undefined : await duplicateOf(deps, run);
  if (duplicate) return { ...view, duplicate };
  const pinned = await pinnedOf(deps, run, task);
  if (!pinned) return { ...view, forbidden: await forbiddenBy(deps, run, undefined) };
  const stored = await deps.versions.read(run.metadata.namespace, pinned.revision);
  const version = { ...pinned, isStored: stored !== undefined };
  return { ...view, version, forbidden: await forbiddenBy(deps, run, stored) };
}

/** Undefined when the pod policy lets the run have what it and its Task ask for. */
async function forbiddenBy(
  deps: Pick<Deps, "client" | "config">,
  run: CachedRun,
  task: PinnedTask | undefined,
): Promise<string | undefined> {
  const whole = await wholeRun(deps, run, "spec");
  if (!whole) return undefined;
  const refusals = refusalsOfRun(whole, task, policyIn(run.metadata.namespace, deps.config));
  return refusals.length > 0 ? explainRefusals(refusals) : undefined;
}

/** A retry keeps the version of the first attempt, also without the Task. */
async function pinnedOf(
  deps: AdmissionDeps,
  run: CachedRun,
  task: Task | undefined,
): Promise<Pinned | undefined> {
  const { versions } = deps;
  const { spec, status = {} } = run;
  const { version, controllerRevision: revision } = status;
  if (version && revision) {
    if (task && versionOf(task) === version) await versions.pin(task);
    return { version, revision };
  }
  const ofParent = await versionOfParent(deps, run);
  if (ofParent) return ofParent;
  if (!task) return undefined;
  if (spec.version === undefined) return versions.pin(task);
  return { version: spec.version, revision: revisionOf(task.metadata.name, spec.version) };
}

/** Undefined when the run may start now. */
export const decideWaiting = (view: QueuedView): AdmissionDecision | undefined =>
  firstDecision([ttlElapsed, inBackoff], view);

export const decideAdmission = (view: AdmissionView): AdmissionDecision =>
  firstDecision([keyUsed, taskMissing, versionMissing, forbidden, waitingFull, admissible], view) ?? done;

type QueuedCheck = Check<QueuedView, "takeSlot">;
type AdmissionCheck = Check<AdmissionView, "takeSlot">;

const ttlElapsed: QueuedCheck = (view) =>
  view.now >= ttlDue(view).at ? { event: { type: "TtlElapsed" } } : undefined;

/** Of two Tasks nothing is known in common: a run of the same one executes the code that its parent does. */
async function versionOfParent(
  deps: AdmissionDeps,
  { metadata, spec }: CachedRun,
): Promise<Pinned | undefined> {
  if (!spec.parent?.waits || spec.version !== undefined) return undefined;
  const parent = parentOf(deps, metadata.namespace, spec.parent);
  const { version, controllerRevision: revision } = parent?.status ?? {};
  if (!version || !revision || parent?.spec.task !== spec.task) return undefined;
  return (await deps.versions.read(metadata.namespace, revision)) ? { version, revision } : undefined;
}

const inBackoff: QueuedCheck = (view) => {
  const notBefore = Date.parse(view.run.status?.nextAttemptAt ?? "");
  return notBefore > view.now ? earliest(at(notBefore), ttlDue(view)) : undefined;
};

const keyUsed: AdmissionCheck = ({ duplicate }) => duplicate && { event: duplicate };

const taskMissing: AdmissionCheck = (view) => {
  const { run, task, version, now } = view;
  if (task || version || run.spec.task === undefined) return undefined;
  const reason = "TaskNotFound";
  const message = `No Task in namespace ${run.metadata.namespace} has the id ${run.spec.task}; the run starts when one is applied.`;
  // Since it was first looked for, which may be long after the run was queued.
  const since = run.status?.reason === reason ? Date.parse(run.status.since ?? "") || now : now;
  const due = since + unknownTaskLimitMs;
  if (now >= due) return { event: { type: "Rejected", reason, message } };
  return { event: { type: "Inadmissible", reason, message }, requeue: earliest(at(due), ttlDue(view)) };
};

const versionMissing: AdmissionCheck = ({ run, version }) => {
  if (!version || version.isStored) return undefined;
  const message = `Task ${run.spec.task} has no version ${version.version}.`;
  return { event: { type: "Rejected", reason: "VersionNotFound", message } };
};

const forbidden: AdmissionCheck = (view) =>
  view.forbidden === undefined
    ? undefined
    : { event: { type: "Rejected", reason: forbiddenReason, message: view.forbidden } };

/** How soon a run looks again whether fewer wait. */
const waitingRecheckMs = 10_000;

/**
 * Runs that wait keep their pods. At the bound no other begins that may come to wait: only those that
 * somebody waits for, so that what waits gets on.
 */
const waitingFull: AdmissionCheck = (view) => {
  const { run, waiting, now } = view;
  if (!waiting || waiting.count < waiting.limit || run.spec.parent?.waits) return undefined;
  const { namespace } = run.metadata;
  const message = `Of namespace ${namespace} ${waiting.limit} runs may wait for others at once, which keep their pods, and so many do. Until one goes on, only runs start that somebody waits for.`;
  const event: RunEvent = { type: "Inadmissible", reason: "WaitingFull", message };
  return { event, requeue: earliest(at(now + waitingRecheckMs), ttlDue(view)) };
};

const admissible: AdmissionCheck = (view) => ({ do: "takeSlot", requeue: ttlDue(view) });

/** When a run expires that has not started before; never for one that did, or without a ttl. */
function ttlDue({ run, task, environment }: QueuedView): Requeue {
  const ttl = ttlSecondsOf(run, task, environment);
  const { startedAt, attempt, queuedAt } = run.status ?? {};
  return ttl === 0 || startedAt || attempt || !queuedAt ? done : at(Date.parse(queuedAt) + ttl * 1000);
}

async function act(deps: AdmissionDeps, view: AdmissionView, decision: AdmissionDecision): Promise<Outcome> {
  const requeue = requeueOf(decision);
  if ("event" in decision) {
    if (decision.event.type === "Inadmissible") await deps.slots.withdraw(view.run);
    return { run: await applyRunEvent(deps, view.run, decision.event), requeue };
  }
  return "do" in decision ? { run: await takeSlot(deps, view), requeue } : { requeue };
}

/** The admitted run; undefined while there is no slot for it: its grant brings the key back. */
async function takeSlot(deps: AdmissionDeps, view: AdmissionView): Promise<CachedRun | undefined> {
  const { run, task, version } = view;
  const pending = pendingOf(run, task);
  const grant = deps.slots.granted(run) ?? (await deps.slots.request(pending));
  if (!grant) return sayWhy(deps, run, task);
  const { slot } = grant;
  const admitted = await applyRunEvent(deps, run, {
    type: "Admitted",
    slot,
    queue: pending.queue,
    version: version?.version,
    controllerRevision: version?.revision,
  });
  if (admitted) deps.slots.hold(grant);
  else await deps.slots.giveBack(grant);
  return admitted;
}

/** With the write that accepts the run, or in place of what it waited for before; kept true elsewhere. */
function sayWhy(deps: AdmissionDeps, run: CachedRun, task: Task | undefined): Promise<CachedRun | undefined> {
  const { reason } = run.status ?? {};
  const wait = waitOfRefused(deps, run, task);
  const isSaid = isWaitReason(reason) && reason !== "Queued";
  // The end of a backoff says nothing new by itself.
  const isVain = wait.reason === "Queued" && !foundByAdmission.has(reason ?? "");
  return isSaid || isVain ? Promise.resolve(undefined) : applyRunEvent(deps, run, { type: "Waits", ...wait });
}
