/**
 * What is known of an attempt, read once; decisions are made from it alone. It comes from the caches. A cache
 * may be behind, so the API server is asked where a decision could do harm otherwise:
 *
 *   a pod that was seen is missing                   → `live`
 *   an attempt to be stopped has no pod on a node    → `live`
 *   an ended attempt has no pod to take a log from   → `live`
 *   a pod was deleted while its container ran        → `live`, for what the Job says
 *   a Job has had no pod for some seconds            → `podProblem`, from its Events
 *   a pod on its node does not start, and says nothing → `podProblem`, from its Events
 *   a pod fits no node, or none has room             → `isScalingUp`, from its Events
 *
 * Attempts that ask at the same time share lists: what one of them asks does not grow with the others.
 */
import type { V1Job, V1Pod } from "@kubernetes/client-node";
import { verdictOf } from "../../../jobs/jobVerdict.ts";
import { type Observation, observePod } from "../../../jobs/podObserver.ts";
import { type PolicySource, policyIn } from "../../../jobs/podPolicySettings.ts";
import { startRowOf } from "../../../jobs/podStart.ts";
import { type PinnedTask, type Program, resolveProgram } from "../../../jobs/program.ts";
import type { Informer } from "../../../kube/cache/informer.ts";
import type { KubeClient } from "../../../kube/client/client.ts";
import { Jobs, Pods } from "../../../kube/resources.ts";
import type { Attempt, TaskRun } from "../../../model/resources.ts";
import type { PodRef } from "../../../model/run/event.ts";
import type { Deps } from "../../deps.ts";
import type { CachedRun } from "../cache.ts";
import type { Decision } from "../decision.ts";
import type { EventProblems, Problem } from "./eventProblems.ts";
import { attemptOfPod } from "./livePods.ts";
import { createdAt, onNodeSince } from "./times.ts";

export interface AttemptView {
  run: CachedRun;
  attempt: Attempt;
  /** Milliseconds since the epoch. */
  now: number;
  /** In [0, 1), for the backoff after the attempt. */
  random: number;
  config: Pick<ViewDeps["config"], "nodeLostAfterSeconds" | "jobRetentionSeconds">;
  /** What the attempt executes; absent when that version is gone, and for an ended attempt. */
  program?: Program;
  /** The version of the Task that the program is made of; absent for an inline container. */
  pinned?: PinnedTask;
  /** From the caches: of this attempt of this run, whatever else has its name. */
  pod?: PodView;
  /** Pods of the attempt besides, which should not exist. */
  strays?: readonly PodView[];
  job?: V1Job;
  /** From the API server, where it was asked. `hasPods`: it may have one. */
  live?: { job?: V1Job; hasPods: boolean };
  /** From Events: why there is no pod, or why one that is on its node does not start. */
  podProblem?: Problem;
  /** When the status last said what blocks the start; see lastTold.ts. */
  toldAt?: number;
  /** An autoscaler makes room for the pod. */
  isScalingUp?: boolean;
}

export interface PodView {
  object: V1Pod;
  ref: PodRef;
  seen: Observation;
  /** When this state of it was first looked at, in milliseconds since the epoch. */
  seenAt?: number;
  /** Whether it was stopped or deleted already. */
  isEnding: boolean;
}

/** The one thing to do for an attempt; act.ts does it. */
export type AttemptAction =
  | "createJob"
  /** The result of the container that ended, from its report, its output or its exit code. */
  | "readResult"
  /** The result of a Job that is complete, and whose pod is gone. */
  | "readLostResult"
  /** Has the kubelet stop the pod and keep it. */
  | "endPod"
  /** The same for the attempt's other pods. */
  | "endStrays"
  /** The Job's: deadline.ts. */
  | "extendDeadline"
  | "captureLog"
  | "deleteJob";

export type AttemptDecision = Decision<AttemptAction>;

export interface ViewDeps extends Pick<Deps, "clock" | "random"> {
  client: Pick<KubeClient, "get">;
  livePods: Pick<Deps["livePods"], "get">;
  lastTold: Pick<Deps["lastTold"], "of">;
  jobProblems: Pick<EventProblems, "of">;
  podProblems: Pick<EventProblems, "of">;
  scaleUps: Pick<EventProblems, "of">;
  pods: Pick<Informer<V1Pod>, "byIndex">;
  jobs: Pick<Informer<V1Job>, "get">;
  versions: Pick<Deps["versions"], "read">;
  config: Pick<Deps["config"], "defaults" | "nodeLostAfterSeconds" | "jobRetentionSeconds"> & PolicySource;
}

/**
 * How long a Job may be without a pod before its Events are asked for the reason; and how often they are
 * asked.
 */
export const recheckMs = 5_000;

export async function loadAttempt(deps: ViewDeps, run: CachedRun, attempt: Attempt): Promise<AttemptView> {
  const { namespace } = run.metadata;
  const hasEnded = attempt.outcome !== undefined;
  const job = deps.jobs.get(namespace, attempt.job);
  const view: AttemptView = {
    run,
    attempt,
    now: deps.clock(),
    random: deps.random(),
    config: deps.config,
    toldAt: deps.lastTold.of(run.metadata.uid, attempt.number),
    ...(hasEnded ? {} : await loadProgram(deps, run, attempt)),
    ...cachedPods(deps, run, attempt),
    job: job && isJobOf(run, job) ? job : undefined,
  };
  if (needsLiveRead(view)) view.live = await readLive(deps, view);
  else if (isPodOverdue(view)) view.podProblem = await readPodProblem(deps, namespace, view.job);
  else if (isQuiet(view)) view.podProblem = await deps.podProblems.of(namespace, view.pod?.ref.podUid ?? "");
  else if (needsNode(view))
    view.isScalingUp = (await deps.scaleUps.of(namespace, view.pod?.ref.podUid ?? "")) !== undefined;
  return view;
}

/** What the attempt executes, whatever became of its Task; undefined when the stored version was deleted. */
export async function loadProgram(
  deps: Pick<ViewDeps, "versions" | "config">,
  run: TaskRun,
  attempt: Attempt,
): Promise<Pick<AttemptView, "program" | "pinned">> {
  const { namespace } = run.metadata;
  const longest = policyIn(namespace, deps.config).maxDurationSeconds;
  const { maxDurationSeconds, ...others } = deps.config.defaults;
  const defaults = { ...others, maxDurationSeconds: Math.min(maxDurationSeconds, longest) };
  if (run.spec.container) return { program: resolveProgram(run, undefined, defaults, attempt) };
  const { controllerRevision } = run.status ?? {};
  if (!controllerRevision) return {};
  const pinned = await deps.versions.read(namespace, controllerRevision);
  return pinned ? { pinned, program: resolveProgram(run, pinned, defaults, attempt) } : {};
}

/** The pod that status names; before it names one, the oldest that is not being deleted. And the others. */
function cachedPods(
  { pods, clock }: ViewDeps,
  run: TaskRun,
  attempt: Attempt,
): Pick<AttemptView, "pod" | "strays"> {
  const now = clock();
  const all = pods
    .byIndex("attempt", attemptOfPod(run.metadata.uid, attempt.number))
    .map((pod) => viewOfPod(pod, now))
    .sort((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  const named = attempt.podUid;
  const pod = named === undefined ? all[0] : all.find(({ ref }) => ref.podUid === named);
  return { pod, strays: all.filter((other) => other !== pod) };
}

const ageOf = ({ object: { metadata } }: PodView): string =>
  `${metadata?.deletionTimestamp !== undefined} ${String(metadata?.creationTimestamp)} ${metadata?.uid}`;

/** The cache has another object for each change of a pod. */
const firstSeen = new WeakMap<V1Pod, number>();

function seenAt(pod: V1Pod, now: number): number {
  const known = firstSeen.get(pod);
  if (known !== undefined) return known;
  firstSeen.set(pod, now);
  return now;
}

const viewOfPod = (object: V1Pod, now: number): PodView => ({
  object,
  seenAt: seenAt(object, now),
  ref: { pod: object.metadata?.name, podUid: object.metadata?.uid, node: object.spec?.nodeName },
  seen: observePod(object),
  isEnding: object.spec?.activeDeadlineSeconds === 1 || object.metadata?.deletionTimestamp !== undefined,
});

/** Whether a container may run in one of the attempt's other pods. */
export const strayRuns = ({ strays = [] }: AttemptView): boolean =>
  strays.some((stray) => isOnNode(stray) && isAlive(stray));

/** A pod that no kubelet has yet is stopped as soon as one gets it. */
export const isAlive = ({ seen }: PodView): boolean => seen.state === "pending" || seen.state === "running";

/** Whether a kubelet may have the pod's container. */
export const isOnNode = (pod: PodView | undefined): pod is PodView => pod?.ref.node !== undefined;

function needsLiveRead({ run, attempt, pod, job }: AttemptView): boolean {
  if (attempt.outcome !== undefined) return !attempt.captured && !pod;
  if (run.status?.phase === "Stopping") return !isOnNode(pod);
  if (pod) return pod.seen.state === "ended" && pod.seen.end.disruption?.reason === "PodDeleted";
  return attempt.podUid !== undefined || verdictOf(job) !== undefined;
}

/**
 * The Job first: without it no pod can come after the list was made. An attempt that is stopped needs no list
 * while its Job is there, which is deleted first, or a pod.
 */
async function readLive(
  deps: ViewDeps,
  { run, attempt, pod, strays }: AttemptView,
): Promise<AttemptView["live"]> {
  const { namespace, uid } = run.metadata;
  const found = await deps.client.get(Jobs, namespace, attempt.job);
  const job = found && isJobOf(run, found) ? found : undefined;
  if (pod || (job && run.status?.phase === "Stopping")) return { job, hasPods: true };
  // A list would find the others, too.
  if (strays?.length && attempt.pod !== undefined) {
    const named = await deps.client.get(Pods, namespace, attempt.pod);
    return { job, hasPods: named?.metadata?.uid === attempt.podUid };
  }
  const pods = await deps.livePods.get(namespace, uid);
  return { job, hasPods: pods.has(attemptOfPod(uid, attempt.number)) };
}

export const isJobOf = (run: TaskRun, job: V1Job): boolean =>
  job.metadata?.ownerReferences?.some((owner) => owner.uid === run.metadata.uid) ?? false;

const isPodOverdue = (view: AttemptView): boolean =>
  view.attempt.outcome === undefined && !view.pod && view.job !== undefined && view.now >= podDue(view);

/** When the Job should have its pod. */
export const podDue = (view: AttemptView): number => createdAt(view) + recheckMs;

/** The pod has been on its node for some time, and says nothing of what it waits for. */
const isQuiet = (view: AttemptView): boolean =>
  view.attempt.outcome === undefined &&
  isOnNode(view.pod) &&
  view.pod.seen.state === "pending" &&
  !view.pod.seen.blocked &&
  view.now >= eventsDue(view);

/** When a pod that is on its node and gives no reason is asked for its Events. */
export const eventsDue = (view: AttemptView): number => onNodeSince(view) + 2 * recheckMs;

/** As the nodes are now, or as full as they are, the pod gets none. */
function needsNode({ attempt, pod }: AttemptView): boolean {
  const blocked = pod?.seen.state === "pending" && !pod.ref.node ? pod.seen.blocked : undefined;
  return (
    attempt.outcome === undefined &&
    !!blocked &&
    ["never", "room"].includes(startRowOf(blocked, false).verdict)
  );
}

/** Why the Job controller creates no pod: a quota, pod security. */
async function readPodProblem(
  { jobProblems }: ViewDeps,
  namespace: string,
  job: V1Job | undefined,
): Promise<Problem | undefined> {
  const problem = await jobProblems.of(namespace, job?.metadata?.uid ?? "");
  return problem && { ...problem, reason: quotaOr(problem.reason, problem.message) };
}

export const quotaOr = (reason: string, message: string): string =>
  /quota/i.test(message) ? "QuotaExceeded" : reason;
