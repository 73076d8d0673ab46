/**
 * Where the log of an attempt is: in the bucket once it was captured, with its pod before that. Between the
 * end of a run, which its report tells at once, and the capture of its log some seconds may pass in which the
 * API server does not know yet that the container ran: such a log is asked for again, for at most ten
 * seconds.
 */
import { setTimeout } from "node:timers/promises";
import { attemptLabel, runUidLabel } from "@fairlead/protocol/labels";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import { Pods } from "../../kube/resources.ts";
import { textLines } from "../../lib/textLines.ts";
import type { Attempt, TaskRun } from "../../model/resources.ts";
import { containerName } from "../../model/run/attempts.ts";
import { isFinished } from "../../model/run/phase.ts";
import { logKey } from "../../storage/layout.ts";
import type { Stores } from "../../storage/objectStore.ts";
import type { RunReader } from "./reader.ts";

export interface AttemptLogDeps {
  client: Pick<KubeClient, "podLog" | "list">;
  store: Stores<"read">;
  reader: Pick<RunReader, "get">;
  /** Milliseconds since the epoch. */
  clock: () => number;
}

export interface AskedAttempts {
  /** Only this one. */
  attempt?: number;
  /** Those that come later, too, until the run has ended. */
  follow: boolean;
}

export interface LogSink {
  /** `head`: a line that tells the attempt apart. */
  lines(attempt: number, lines: AsyncIterable<string>, head: string | undefined): Promise<void>;
  note(attempt: number, note: string): Promise<void>;
}

const lookMs = 500;
/** How long the log of an attempt that has ended may be on its way. */
const lateMs = 10_000;

/** Attempt by attempt, in order. */
export async function tellAttempts(
  deps: AttemptLogDeps,
  first: TaskRun,
  asked: AskedAttempts,
  sink: LogSink,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = first.metadata;
  let told = 0;
  let late: { attempt: number; until: number } | undefined;
  for (let run: TaskRun | undefined = first; run; run = await deps.reader.get(namespace, name, uid)) {
    const all = run.status?.attempts ?? [];
    const several = all.length > 1 && asked.attempt === undefined;
    const goesOn = asked.follow && !isFinished(run);
    let isLate = false;
    for (const attempt of all) {
      const { number, outcome } = attempt;
      if (number <= told || (asked.attempt !== undefined && number !== asked.attempt)) continue;
      const head = several ? `== attempt ${number} ==` : undefined;
      if (!(await tellAttempt(deps, run, attempt, goesOn, sink, head, signal))) {
        if (late?.attempt !== number) late = { attempt: number, until: deps.clock() + lateMs };
        isLate = outcome !== undefined && deps.clock() < late.until;
        if (isLate || outcome === undefined) break;
      }
      told = number;
    }
    if (!(isLate || goesOn) || told === asked.attempt) return;
    await setTimeout(lookMs, undefined, { signal });
  }
}

/** False when there is nothing yet. */
async function tellAttempt(
  { client, store }: AttemptLogDeps,
  { metadata }: TaskRun,
  attempt: Attempt,
  goesOn: boolean,
  sink: LogSink,
  head: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { number, podUid, captured, logNote, outcome } = attempt;
  if (captured) {
    // Without a pod nothing was printed.
    const key = podUid === undefined ? undefined : logKey(metadata, number, podUid);
    const object = key === undefined ? undefined : await store.of(metadata.namespace).read(key);
    if (object) await sink.lines(number, textLines(object.body), head);
    if (logNote !== undefined) await sink.note(number, logNote);
    return true;
  }
  // A run that ended by its report may not know its pod yet.
  const pod = attempt.pod ?? (await findPod(client, metadata, number, signal));
  if (pod === undefined) return false;
  try {
    // A container that has reported is about to exit: its last lines are waited for.
    const follow = goesOn || outcome !== undefined;
    const options = { container: containerName, timestamps: true, follow, signal };
    await sink.lines(number, textLines(await client.podLog(metadata.namespace, pod, options)), head);
    return true;
  } catch (error) {
    // 404: the pod is gone; 400: its container has not begun, as far as the API server knows.
    if (error instanceof KubeError && (error.status === 404 || error.status === 400)) return false;
    throw error;
  }
}

async function findPod(
  client: AttemptLogDeps["client"],
  { namespace, uid }: TaskRun["metadata"],
  attempt: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const labelSelector = `${runUidLabel}=${uid},${attemptLabel}=${attempt}`;
  const { items } = await client.list(Pods, namespace, { labelSelector, limit: 1, signal });
  return items[0]?.metadata?.name;
}
