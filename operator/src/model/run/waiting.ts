/**
 * Why a run that could start does not have its slot yet: one reason, in the order in which admission looks,
 * a sentence, and the numbers behind it. Pure.
 *
 *   AdmissionClosed   nothing is admitted in the namespace now (Redis does not answer, …)
 *   QueuePaused       the queue is paused
 *   KeyFull           the queue's limit, which counts for each concurrencyKey, is reached by this key
 *   QueueFull         the queue's limit is reached
 *   NamespaceFull     the namespace's limit is reached
 *   NoRoom            no node, or no quota, has room for more runs of the queue
 *   Queued            none of these: its turn comes in a moment
 */
import { queueNameOf } from "../queue/governing.ts";
import type { Task, TaskRun, TaskRunStatus } from "../resources.ts";
import { holdsSlot } from "./phase.ts";

const waitReasons = [
  "AdmissionClosed",
  "QueuePaused",
  "KeyFull",
  "QueueFull",
  "NamespaceFull",
  "NoRoom",
  "Queued",
] as const;
type WaitReason = (typeof waitReasons)[number];

/** Reason of a run that waits in its queue for nothing in particular. */
export const waitsForTurn = "Waits to be admitted.";

/** The numbers of a run's wait, as its status has them. */
export type Waiting = NonNullable<TaskRunStatus["waiting"]>;

export interface Wait {
  reason: WaitReason;
  message: string;
  waiting: Waiting;
}

export interface WaitView {
  namespace: string;
  queue: string;
  concurrencyKey?: string;
  /** Of the queue, or of each of its keys. */
  limit?: number;
  paused: boolean;
  /** Runs with a slot of the same queue and key. */
  running: number;
  /** 1: it is the next. */
  place: number;
  /** Runs that wait for a slot of the same queue and key, this one included. */
  queued: number;
  namespaceLimit?: number;
  namespaceRunning: number;
  /** Why nothing is admitted in the namespace: a sentence. */
  closed?: string;
  /** What a run of the queue was told that found no room, and waits for it. */
  noRoom?: string;
  /** RFC 3339. */
  now: string;
  /** It asked for a slot and got none: whatever the counts, which may be a moment old, a limit is reached. */
  wasRefused?: boolean;
}

export function whyWaits(view: WaitView): Wait {
  const { namespace, queue, limit, running, queued, namespaceLimit, namespaceRunning, now } = view;
  const place = roughly(view.place);
  const reason = reasonOf(view);
  const full =
    reason === "NamespaceFull"
      ? { limit: namespaceLimit, running: Math.max(namespaceRunning, namespaceLimit ?? 0) }
      : { limit, running: isOfQueue(reason) ? Math.max(running, limit ?? 0) : running };
  const waiting: Waiting = { queue, ...full, place, queued: roughly(Math.max(queued, view.place)), at: now };
  if (waiting.limit === undefined) delete waiting.limit;
  const cause = reason === "NoRoom" ? view.noRoom : view.closed;
  const names = { namespace, concurrencyKey: view.concurrencyKey, cause };
  return { reason, message: sentenceOf(reason, waiting, names), waiting };
}

const isOfQueue = (reason: WaitReason): boolean => reason === "QueueFull" || reason === "KeyFull";

function reasonOf(view: WaitView): WaitReason {
  const { closed, paused, limit, running, namespaceLimit, namespaceRunning, wasRefused } = view;
  const ofQueue = view.concurrencyKey === undefined ? "QueueFull" : "KeyFull";
  if (closed !== undefined) return "AdmissionClosed";
  if (paused) return "QueuePaused";
  if (limit !== undefined && running >= limit) return ofQueue;
  if (namespaceLimit !== undefined && namespaceRunning >= namespaceLimit) return "NamespaceFull";
  if (view.noRoom !== undefined) return "NoRoom";
  if (!wasRefused) return "Queued";
  if (limit !== undefined && namespaceLimit === undefined) return ofQueue;
  if (namespaceLimit !== undefined && limit === undefined) return "NamespaceFull";
  return "Queued";
}

interface Names {
  namespace: string;
  concurrencyKey?: string;
  cause?: string;
}

/** Enough of a key to know it by. */
const shownKey = 64;

function sentenceOf(
  reason: WaitReason,
  waiting: Waiting,
  { namespace, concurrencyKey, cause }: Names,
  isExact = false,
): string {
  const { queue, limit, running = 0 } = waiting;
  const line = placeOf(waiting, isExact);
  switch (reason) {
    case "AdmissionClosed":
      return `No run starts in namespace ${namespace} now: ${cause} This run starts by itself afterwards. ${line}`;
    case "QueuePaused":
      return `The queue "${queue}" is paused: no run starts until it is resumed. ${line}`;
    case "KeyFull":
      return `The queue "${queue}" lets ${runs(limit)} of each concurrencyKey execute at once, and ${running} of the key "${concurrencyKey?.slice(0, shownKey)}" ${has(running)} a slot. ${line}`;
    case "QueueFull":
      return `The queue "${queue}" lets ${runs(limit)} execute at once, and ${running} ${has(running)} a slot. ${line}`;
    case "NamespaceFull":
      return `Namespace ${namespace} lets ${runs(limit)} execute at once, and ${running} ${has(running)} a slot. ${line}`;
    case "NoRoom":
      return `There is no room for more runs of the queue "${queue}" now: ${short(cause)} This run starts by itself when there is. ${line}`;
    case "Queued":
      return waitsForTurn;
  }
}

/** The scheduler tells of each group of nodes, and of preemption. */
const short = (cause = ""): string => {
  const [first = ""] = cause.split(/\. (?=preemption:)/);
  return first.slice(0, 400).replace(/\.?$/, ".");
};

const runs = (count: number | undefined): string => (count === 1 ? "1 run" : `${count} runs`);
const has = (count: number): string => (count === 1 ? "has" : "have");

/** What the status holds is rounded above ten, so that it need not be written at each move. */
function placeOf({ place = 1, queued = place }: Waiting, isExact: boolean): string {
  const shown = (count: number) => (isExact || count <= 10 ? `${count}` : `about ${count}`);
  return `Place ${shown(place)} of ${shown(queued)} in line.`;
}

/** Exact up to ten, then one significant digit. */
function roughly(count: number): number {
  if (count <= 10) return count;
  const step = 10 ** Math.floor(Math.log10(count));
  return Math.round(count / step) * step;
}

/** The same wait with the numbers of this moment: what the API answers. */
export function exactly(
  { metadata, spec, status }: Pick<TaskRun, "metadata" | "spec" | "status">,
  line: { place: number; queued: number; running: number },
): Pick<TaskRunStatus, "message" | "waiting"> {
  const { reason, message, waiting } = status ?? {};
  if (!waiting || !isWaitReason(reason)) return { message };
  const exact = { ...waiting, ...line };
  const { namespace } = metadata;
  // The cause is in the message alone.
  const cause = / now: (.*) This run starts by itself/.exec(message ?? "")?.[1];
  return { message: sentenceOf(reason, exact, { namespace, ...spec, cause }, true), waiting: exact };
}

/** Whether the run's status says that it waits for a slot, in words of this table. */
export const isWaitReason = (reason: string | undefined): reason is WaitReason =>
  waitReasons.some((one) => one === reason);

/** The runs that a limit counts together: those of one queue and key. */
export const laneOf = (run: TaskRun, task: Task | undefined): string =>
  laneKey(run.metadata.namespace, queueNameOf(run, task), run.spec.concurrencyKey);

/** Values of an index "slots" of a cache: the namespace and the lane in which the run holds a slot. */
export const slotIndex = (run: TaskRun): string[] =>
  holdsSlot(run) ? [run.metadata.namespace, laneOf(run, undefined)] : [];

/** Values of an index "line": the lane in which the run waits, as its status says. */
export const lineIndex = ({ metadata, spec, status }: TaskRun): string[] =>
  status?.phase === "Queued" && status.waiting
    ? [laneKey(metadata.namespace, status.waiting.queue, spec.concurrencyKey)]
    : [];

const laneKey = (namespace: string, queue: string, concurrencyKey = ""): string =>
  `${namespace}/${queue}\n${concurrencyKey}`;

/** Sorts as admission does within a lane: by the time of queueing less the priority, then by uid. */
export function inLine(a: TaskRun, b: TaskRun): number {
  return orderOf(a) - orderOf(b) || (a.metadata.uid < b.metadata.uid ? -1 : 1);
}

function orderOf({ metadata, spec, status }: TaskRun): number {
  const at = Date.parse(status?.queuedAt ?? metadata.creationTimestamp ?? "");
  return Number.isNaN(at) ? Number.MAX_SAFE_INTEGER : at - (spec.priority ?? 0) * 1000;
}

/** Reasons of a queued run that admission finds, and itself withdraws after it has looked again. */
export const foundByAdmission: ReadonlySet<string> = new Set([
  "TaskNotFound",
  "WaitingFull",
  "StorageUnavailable",
  "Forbidden",
  "QuotaExceeded",
]);

/** How long a status keeps its numbers, and a reason its other. */
const numbersMs = 60_000;
const reasonMs = 30_000;

/**
 * Whether the status is to be written again: at once when it gets or loses a cause that someone has to know
 * (closed, paused, another limit); seldom when only the numbers moved.
 */
export function isStale(status: TaskRunStatus, wait: Wait, nowMs: number): "reason" | "numbers" | undefined {
  const { reason, message, waiting } = status;
  if (reason === wait.reason && message === wait.message) return undefined;
  const age = nowMs - (Date.parse(waiting?.at ?? "") || 0);
  const isSame = waiting?.limit === wait.waiting.limit && waiting?.queue === wait.waiting.queue;
  if (reason === wait.reason && isSame && sameCause(message, wait.message))
    return age >= numbersMs ? "numbers" : undefined;
  // Their causes may alternate.
  if (reason === wait.reason && (reason === "AdmissionClosed" || reason === "NoRoom"))
    return age >= reasonMs ? "reason" : undefined;
  const isFull = (one: string | undefined) => one === "Queued" || one === "NoRoom" || one?.endsWith("Full");
  if (reason !== wait.reason && isFull(reason) && isFull(wait.reason))
    return age >= reasonMs ? "reason" : undefined;
  return "reason";
}

const sameCause = (a: string | undefined, b: string): boolean =>
  withoutNumbers(a ?? "") === withoutNumbers(b);
const withoutNumbers = (text: string): string =>
  text.replace(/(about )?\d+/g, "#").replace(/\b(has|have)\b/g, "#");
