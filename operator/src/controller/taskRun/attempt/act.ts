/** Carries out what was decided for an attempt: one event, or one action, which may lead to an event. */
import { stoppedAtAnnotation } from "@fairlead/protocol/labels";
import type { Program } from "../../../jobs/program.ts";
import { KubeError } from "../../../kube/client/kubeError.ts";
import { at, done, earliest, type Lane, slowly } from "../../../kube/manager/requeue.ts";
import { Jobs, Pods } from "../../../kube/resources.ts";
import type { Deps } from "../../deps.ts";
import { applyRunEvent, type EventDeps } from "../applyRunEvent.ts";
import { type Outcome, requeueOf } from "../decision.ts";
import { captured } from "./capture.ts";
import { createJob, type JobDeps } from "./createJob.ts";
import { extendedDeadline } from "./deadline.ts";
import { decide } from "./decide.ts";
import { endAttempt } from "./ends.ts";
import { readLostResult, readResult, readsBucket } from "./result.ts";
import {
  type AttemptAction,
  type AttemptDecision,
  type AttemptView,
  isAlive,
  isJobOf,
  type PodView,
} from "./view.ts";

type ActDeps = EventDeps & JobDeps & Pick<Deps, "pods" | "logs" | "store" | "lastTold">;

/** A run whose stored version was deleted is a task's. */
const ofTask = { kind: "task" } as const;

/** What needs the bucket or a node's log, and may hang for long. */
function isSlow(action: AttemptAction, view: AttemptView): boolean {
  const { attempt, pod } = view;
  const program: Pick<Program, "kind"> = view.program ?? ofTask;
  switch (action) {
    case "readResult":
      return pod?.seen.state === "ended" && readsBucket({ attempt, program }, pod.seen.end, pod.ref.podUid);
    default:
      return action === "readLostResult" || action === "captureLog";
  }
}

export async function act(
  deps: ActDeps,
  view: AttemptView,
  decision: AttemptDecision,
  lane: Lane,
): Promise<Outcome> {
  if ("event" in decision) {
    const run = await applyRunEvent(deps, view.run, decision.event);
    if (run && decision.event.type === "StartBlocked")
      deps.lastTold.note(run.metadata.uid, view.attempt.number, view.now);
    return { run, requeue: requeueOf(decision) };
  }
  if ("do" in decision) {
    if (lane === "fast" && isSlow(decision.do, view))
      return { requeue: earliest(slowly, requeueOf(decision)) };
    const outcome = await act(deps, view, await perform(deps, view, decision.do), lane);
    return { ...outcome, requeue: earliest(outcome.requeue, requeueOf(decision)) };
  }
  return { requeue: decision };
}

/** Returns what follows from the action. */
async function perform(deps: ActDeps, view: AttemptView, action: AttemptAction): Promise<AttemptDecision> {
  const { run, attempt, program, pod } = view;
  switch (action) {
    case "createJob":
      return createJob(deps, view);
    case "deleteJob":
      await deleteJob(deps, view);
      return done;
    case "endPod":
      if (pod) await endPod(deps, pod, view.now);
      return done;
    case "endStrays":
      for (const stray of view.strays ?? [])
        if (isAlive(stray) && !stray.isEnding) await endPod(deps, stray, view.now).catch(unlessGone);
      return decide({ ...view, strays: view.strays?.map((stray) => ({ ...stray, isEnding: true })) });
    case "extendDeadline":
      await extendDeadline(deps, view);
      return done;
    case "readResult":
      if (pod?.seen.state !== "ended") return done;
      return endAttempt(
        view,
        await readResult(
          deps.store,
          { run, attempt, program: program ?? ofTask },
          pod.seen.end,
          pod.ref.podUid,
        ),
        pod.ref,
      );
    case "readLostResult":
      return endAttempt(view, await readLostResult(deps.store, run, attempt, program ?? ofTask));
    case "captureLog": {
      if (!pod) return done;
      const log = await deps.logs.capture(run, attempt, pod.object);
      return "againAt" in log ? at(log.againAt) : captured(view, { ...log, ...pod.ref });
    }
  }
}

async function endPod(
  { client, pods }: Pick<ActDeps, "client" | "pods">,
  { object }: PodView,
  now: number,
): Promise<void> {
  const { namespace, name = "", uid } = object.metadata ?? {};
  const annotations = { [stoppedAtAnnotation]: new Date(now).toISOString() };
  const patch = { metadata: { uid, annotations }, spec: { activeDeadlineSeconds: 1 } };
  pods.upsertFromWrite(await client.patch(Pods, namespace, name, patch, { type: "merge" }));
}

async function extendDeadline(
  { client, jobs }: Pick<ActDeps, "client" | "jobs">,
  view: AttemptView,
): Promise<void> {
  const { namespace = "", name = "", uid } = view.job?.metadata ?? {};
  const patch = { metadata: { uid }, spec: { activeDeadlineSeconds: extendedDeadline(view) } };
  try {
    jobs.upsertFromWrite(await client.patch(Jobs, namespace, name, patch, { type: "merge" }));
  } catch (error) {
    unlessGone(error);
  }
}

function unlessGone(error: unknown): void {
  if (!KubeError.is(error, "NotFound") && !KubeError.is(error, "Conflict")) throw error;
}

/** Only the attempt's own: another's of that name stays. */
async function deleteJob({ client }: Pick<ActDeps, "client">, view: AttemptView): Promise<void> {
  const { run, attempt } = view;
  const { namespace } = run.metadata;
  const job = view.live?.job ?? view.job ?? (await client.get(Jobs, namespace, attempt.job));
  if (!job || !isJobOf(run, job)) return;
  await client
    .delete(Jobs, namespace, attempt.job, { propagationPolicy: "Background", uid: job.metadata?.uid })
    .catch(unlessGone);
}
